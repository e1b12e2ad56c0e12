package org.pgoffload.console.web;

import io.javalin.http.Context;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.pgoffload.console.database.RoleDatabase;
import org.pgoffload.console.database.RoleSession;
import org.pgoffload.console.signin.RoleRights;
import org.pgoffload.console.signin.SignedIn;

/// One request of a signed-in reader, as a page sees it.
public final class Visit {
  private final Context context;
  private final SignedIn session;

  Visit(Context context, SignedIn session) {
    this.context = context;
    this.session = session;
  }

  /// The signed-in role.
  public String role() {
    return session.role();
  }

  /// What the role may do.
  public RoleRights rights() {
    return session.rights();
  }

  /// The database with the role's rights.
  public RoleDatabase database() {
    return session.database();
  }

  /// Refuses a role that may not ask models.
  ///
  /// @throws Problem that says what to grant
  public void requireAsking() {
    if (!rights().asks()) {
      throw new Problem(
          403,
          "42501",
          "This page is for members of llm_user.",
          "Have an administrator grant llm_user to " + role() + ", and sign in again.");
    }
  }

  /// Refuses a role that is no operator, as the database says at this moment.
  ///
  /// @throws Problem that says what to grant
  public void requireOperating() throws SQLException {
    if (!database().look(RoleSession::isOperator)) {
      throw new Problem(
          403,
          "42501",
          "This page is for members of pgoffload_operator.",
          "Have an administrator grant pgoffload_operator to " + role() + ", and sign in again.");
    }
  }

  SignedIn session() {
    return session;
  }

  /// A parameter of the address or of the form, without blanks around it; empty where it is blank.
  public Optional<String> parameter(String name) {
    return parameters(name).stream().findFirst();
  }

  /// All values of a parameter that are not blank.
  public List<String> parameters(String name) {
    var values = new ArrayList<>(context.queryParams(name));
    if (context.isFormUrlencoded()) {
      values.addAll(context.formParams(name));
    }
    return values.stream().map(String::strip).filter(value -> !value.isEmpty()).toList();
  }

  /// All parameters of the address that are not blank, the first value of each.
  public Map<String, String> query() {
    var query = new TreeMap<String, String>();
    context
        .queryParamMap()
        .forEach((name, values) ->
            values.stream()
                .map(String::strip)
                .filter(value -> !value.isEmpty())
                .findFirst()
                .ifPresent(value -> query.put(name, value)));
    return query;
  }

  /// A number in the path.
  ///
  /// @throws Problem if it is none
  public long id(String name) {
    try {
      return Long.parseLong(context.pathParam(name));
    } catch (NumberFormatException e) {
      throw Problem.notFound("There is no such page.");
    }
  }
}

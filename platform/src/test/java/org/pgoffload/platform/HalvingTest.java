package org.pgoffload.platform;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

final class HalvingTest {
  private static final List<Integer> BATCH = List.of(1, 2, 3, 4, 5, 6, 7);

  private final List<Integer> taken = new ArrayList<>();
  private final List<Integer> refused = new ArrayList<>();

  @Test
  void takesABatchAtOnceWhereNothingIsWrong() throws SQLException {
    var batches = new ArrayList<List<Integer>>();
    Halving.run(BATCH, batches::add, (member, _) -> refused.add(member));
    assertThat(batches).containsExactly(BATCH);
    assertThat(refused).isEmpty();
  }

  @Test
  void refusesTheMembersThatMakeItFailAlone() throws SQLException {
    Halving.run(BATCH, batch -> take(batch, "22P05"), (member, _) -> refused.add(member));
    assertThat(taken).containsExactly(1, 2, 4, 5, 7);
    assertThat(refused).containsExactly(3, 6);
  }

  @Test
  void endsAtAFaultThatIsNoMembers() {
    assertThatThrownBy(() ->
            Halving.run(BATCH, batch -> take(batch, "57P01"), (member, _) -> refused.add(member)))
        .isInstanceOf(SQLException.class);
    assertThat(taken).isEmpty();
    assertThat(refused).isEmpty();
  }

  private void take(List<Integer> batch, String state) throws SQLException {
    if (batch.contains(3) || batch.contains(6)) {
      throw new SQLException("refused", state);
    }
    taken.addAll(batch);
  }
}

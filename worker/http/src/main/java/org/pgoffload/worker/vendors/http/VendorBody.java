package org.pgoffload.worker.vendors.http;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import com.fasterxml.jackson.core.io.JsonEOFException;
import com.fasterxml.jackson.databind.JsonNode;
import java.util.Locale;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.pgoffload.protocol.Text;

/// The body of a reply or the data of one event, which should be a JSON object and may be anything.
///
/// @param json the object; of an array its first object, as some gateways wrap errors; else empty
/// @param fault what is wrong with it as an answer, after "the reply"; null if it is an object
/// @param words what a body that is no object says to people: a text, or that of an HTML page
public record VendorBody(JsonNode json, @Nullable String fault, String words) {
  /// Characters of a page that are looked at; an error shows no more anyway.
  private static final int MOST_READ = 20_000;

  private static final Pattern TITLE = Pattern.compile("(?is)<title[^>]*>([^<]*)</title>");
  private static final Pattern NO_WORDS =
      Pattern.compile("(?is)<(script|style)\\b.*?(</\\1\\s*>|\\z)|<!--.*?(-->|\\z)|<[^>]*(>|\\z)");

  public static VendorBody read(byte[] bytes) {
    return read(Json.decode(bytes));
  }

  /// The same where a bare array is an answer too: it stands in the field `results` then.
  public static VendorBody readOrList(byte[] bytes) {
    var text = Json.decode(bytes);
    if (text.stripLeading().startsWith("[")) {
      var list = read("{\"results\":" + text + "}");
      if (list.fault() == null && !VendorError.isIn(list.json().path("results").path(0))) {
        return list;
      }
    }
    return read(text);
  }

  public static VendorBody read(String text) {
    if (text.isBlank()) {
      return new VendorBody(Json.object(), "is empty", "");
    }
    try {
      var node = Json.read(text);
      if (node.isObject()) {
        return new VendorBody(node, null, "");
      }
      if (node.isArray() && node.path(0).isObject()) {
        var first = node.path(0);
        var fault = VendorError.isIn(first) ? null : "is a JSON array, not an object";
        return new VendorBody(first, fault, "");
      }
      var type = node.getNodeType().name().toLowerCase(Locale.ROOT);
      return new VendorBody(
          Json.object(), "is a JSON %s, not an object".formatted(type), node.asText(""));
    } catch (JsonProcessingException notJson) {
      return new VendorBody(Json.object(), fault(text, notJson), words(text));
    }
  }

  /// The failure that the body tells of, in whatever form.
  public VendorError error() {
    return VendorError.read(json).orInstead(words);
  }

  /// The fault with its place, without the text there, which may be the answer.
  private static String fault(String text, JsonProcessingException notJson) {
    if (isMarkup(text)) {
      return "is HTML or XML, not JSON; check the base URL";
    }
    if (notJson instanceof JsonEOFException) {
      return "ends in the middle of its JSON, after %d characters".formatted(text.length());
    }
    if (notJson instanceof StreamConstraintsException) {
      return "is nested more than %d levels deep".formatted(Json.MOST_LEVELS);
    }
    var place = notJson.getLocation();
    return place == null
        ? "is not JSON"
        : "is not JSON at character %d of %d (line %d, column %d)"
            .formatted(
                place.getCharOffset(), text.length(), place.getLineNr(), place.getColumnNr());
  }

  private static boolean isMarkup(String text) {
    return text.stripLeading().startsWith("<");
  }

  private static String words(String text) {
    var begin = Text.begin(text, MOST_READ);
    if (!isMarkup(begin)) {
      return begin.strip();
    }
    var title = TITLE.matcher(begin);
    var told = title.find() ? title.group(1) : "";
    return told.isBlank() ? NO_WORDS.matcher(begin).replaceAll(" ").strip() : told.strip();
  }
}

package org.pgoffload.dev.testkit.vendors;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Set;

/// How an API says what a message holds: a text, or parts of which some are images. The stub reads
/// an image as `[image/png AAAA]` or `[https://…]`.
enum ContentForm {
  RESPONSES("input_text", "input_image"),
  CHAT_COMPLETIONS("text", "image_url"),
  MESSAGES("text", "image"),
  GEMINI("", ""),
  OLLAMA("", "");

  private static final Set<String> TYPES =
      Set.of("image/png", "image/jpeg", "image/gif", "image/webp");

  private final String text;
  private final String image;

  ContentForm(String text, String image) {
    this.text = text;
    this.image = image;
  }

  /// What a message holds, its parts with a space between them.
  String read(Body message) throws Violation {
    message.allowOnly(
        this == OLLAMA ? Set.of("role", "content", "images") : Set.of("role", "content"));
    if (this == OLLAMA && message.json().has("images")) {
      var said = new ArrayList<String>();
      said.add(message.json().path("content").asText());
      for (var image : message.texts("images", 100)) {
        said.add("[" + base64(image) + "]");
      }
      return String.join(" ", said).strip();
    }
    return message.json().path("content").isArray() && this != OLLAMA
        ? parts(message.json().path("content"))
        : message.requiredText("content");
  }

  String parts(JsonNode parts) throws Violation {
    var said = new ArrayList<String>();
    for (var part : parts) {
      said.add(this == GEMINI ? gemini(new Body(part)) : part(new Body(part)));
    }
    if (said.isEmpty()) {
      throw new Violation("Invalid type for 'content': expected a non-empty array.");
    }
    return String.join(" ", said);
  }

  private String part(Body part) throws Violation {
    if (text.equals(part.oneOf("type", Set.of(text, image)))) {
      part.allowOnly(Set.of("type", "text"));
      return part.requiredText("text");
    }
    if (this == MESSAGES) {
      part.allowOnly(Set.of("type", "source"));
      var source = part.object("source", Set.of("type", "url", "media_type", "data"));
      return "url".equals(source.oneOf("type", Set.of("url", "base64")))
          ? url(source.requiredText("url"))
          : data(source.requiredText("media_type"), source.requiredText("data"));
    }
    part.allowOnly(Set.of("type", "image_url"));
    return url(
        this == RESPONSES
            ? part.requiredText("image_url")
            : part.object("image_url", Set.of("url")).requiredText("url"));
  }

  private static String gemini(Body part) throws Violation {
    part.allowOnly(Set.of("text", "inlineData", "fileData"));
    if (part.json().has("text")) {
      return part.requiredText("text");
    }
    if (part.json().has("fileData")) {
      return url(part.object("fileData", Set.of("fileUri", "mimeType")).requiredText("fileUri"));
    }
    var inline = part.object("inlineData", Set.of("mimeType", "data"));
    if ("image/gif".equals(inline.text("mimeType"))) {
      throw new Violation("Unsupported MIME type: image/gif");
    }
    return data(inline.requiredText("mimeType"), inline.requiredText("data"));
  }

  private static String url(String url) throws Violation {
    if (url.startsWith("data:") && url.contains(";base64,")) {
      return data(url.substring(5, url.indexOf(';')), url.substring(url.indexOf(',') + 1));
    }
    if (!url.startsWith("https://")) {
      throw new Violation("Invalid image URL.");
    }
    return "[" + url + "]";
  }

  private static String data(String type, String base64) throws Violation {
    if (!TYPES.contains(type)) {
      throw new Violation("Unsupported image type: '" + type + "'.");
    }
    return "[" + type + " " + base64(base64) + "]";
  }

  private static String base64(String data) throws Violation {
    try {
      return Base64.getEncoder().encodeToString(Base64.getDecoder().decode(data));
    } catch (IllegalArgumentException e) {
      throw new Violation("Invalid base64 image data.");
    }
  }
}

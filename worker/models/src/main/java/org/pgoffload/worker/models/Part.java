package org.pgoffload.worker.models;

import java.util.Set;
import org.jspecify.annotations.Nullable;

/// One piece of a turn: a text or an image. Its text form never shows it.
public sealed interface Part {

  /// The text, the address or the base64, which no error may show.
  String said();

  /// Words.
  ///
  /// @param said not blank
  record Text(String said) implements Part {
    public Text {
      if (said.isBlank()) {
        throw new IllegalArgumentException("the text of a turn must not be blank");
      }
    }

    @Override
    public String toString() {
      return "Text[%d characters]".formatted(said.length());
    }
  }

  /// An image, which only the user gives.
  sealed interface Image extends Part {
    /// The types that a request may name.
    Set<String> MEDIA_TYPES = Set.of("image/png", "image/jpeg", "image/gif", "image/webp");

    /// Its type, such as `image/png`; null for a link without one.
    @Nullable String mediaType();

    /// Its address: of the web, or a `data:` URL with the image in it.
    String url();
  }

  /// The address of an image, which the vendor fetches. A worker fetches nothing.
  ///
  /// @param url of the scheme `https`
  record LinkedImage(String url, @Nullable String mediaType) implements Image {
    public LinkedImage {
      if (!url.startsWith("https://")) {
        throw new IllegalArgumentException("the url of an image must begin with https://");
      }
      if (mediaType != null) {
        requireKnown(mediaType);
      }
    }

    @Override
    public String said() {
      return url;
    }

    @Override
    public String toString() {
      return "LinkedImage[%s]".formatted(mediaType);
    }
  }

  /// An image itself.
  ///
  /// @param data its bytes in base64, on one line
  record InlineImage(String data, String mediaType) implements Image {
    public InlineImage {
      if (data.isBlank()) {
        throw new IllegalArgumentException("the data of an image must not be empty");
      }
      requireKnown(mediaType);
    }

    @Override
    public String url() {
      return "data:" + mediaType + ";base64," + data;
    }

    @Override
    public String said() {
      return data;
    }

    @Override
    public String toString() {
      return "InlineImage[%s, %d characters]".formatted(mediaType, data.length());
    }
  }

  private static void requireKnown(String mediaType) {
    if (!Image.MEDIA_TYPES.contains(mediaType)) {
      throw new IllegalArgumentException("the media_type of an image is not a known one");
    }
  }
}

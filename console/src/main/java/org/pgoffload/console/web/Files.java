package org.pgoffload.console.web;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;

/// Style sheet, scripts and pictures: our own, and those of WebJars. Each has its digest in its
/// address, so that a browser keeps it for ever and asks for a new one at once.
///
/// Immutable and safe to share between threads.
public final class Files {
  private static final String OWN = "/org/pgoffload/console/web/";
  private static final String WEBJARS = "/META-INF/resources/webjars/";
  private static final String STYLE = "text/css; charset=utf-8";
  private static final String SCRIPT = "text/javascript; charset=utf-8";

  private final Map<String, Served> byName = new LinkedHashMap<>();
  private final Map<String, Served> byPath = new LinkedHashMap<>();

  /// A file, as it is sent.
  static final class Served {
    private final String path;
    private final String type;
    private final byte[] content;

    private Served(String path, String type, byte[] content) {
      this.path = path;
      this.type = type;
      this.content = content;
    }

    String type() {
      return type;
    }

    InputStream content() {
      return new ByteArrayInputStream(content);
    }

    String tag() {
      return '"' + path + '"';
    }
  }

  private Files() {}

  /// Reads them from the class path.
  static Files read() {
    var versions = versions();
    var htmx = WEBJARS + "htmx.org/" + versions.getProperty("htmx") + "/dist/";
    var uplot = WEBJARS + "uplot/" + versions.getProperty("uplot") + "/dist/";
    var files = new Files();
    files.add("console.css", OWN + "console.css", STYLE);
    files.add("console.js", OWN + "console.js", SCRIPT);
    files.add("icon.svg", OWN + "icon.svg", "image/svg+xml");
    files.add("htmx.js", htmx + "htmx.min.js", SCRIPT);
    files.add("uplot.js", uplot + "uPlot.iife.min.js", SCRIPT);
    files.add("uplot.css", uplot + "uPlot.min.css", STYLE);
    return files;
  }

  private static Properties versions() {
    var properties = new Properties();
    try (var in = Files.class.getResourceAsStream(OWN + "webjars.properties")) {
      if (in == null) {
        throw new IllegalStateException("webjars.properties is not on the class path");
      }
      properties.load(in);
      return properties;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void add(String name, String resource, String type) {
    try (var in = Files.class.getResourceAsStream(resource)) {
      if (in == null) {
        throw new IllegalStateException(resource + " is not on the class path");
      }
      var content = in.readAllBytes();
      var served = new Served("/files/" + digest(content) + "/" + name, type, content);
      byName.put(name, served);
      byPath.put(served.path, served);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String digest(byte[] content) {
    try {
      var digest = MessageDigest.getInstance("SHA-256").digest(content);
      return HexFormat.of().formatHex(digest, 0, 8);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java runtime has SHA-256", e);
    }
  }

  /// The address of a file, for a template.
  ///
  /// @param name as `console.css`
  public String path(String name) {
    var served = byName.get(name);
    if (served == null) {
      throw new IllegalArgumentException("no file " + name);
    }
    return served.path;
  }

  Optional<Served> at(String path) {
    return Optional.ofNullable(byPath.get(path));
  }
}

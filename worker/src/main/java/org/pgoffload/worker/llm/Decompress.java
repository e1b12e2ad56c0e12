package org.pgoffload.worker.llm;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.SequenceInputStream;
import java.net.http.HttpHeaders;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.zip.GZIPInputStream;
import java.util.zip.Inflater;
import java.util.zip.InflaterInputStream;
import org.jspecify.annotations.Nullable;

/// The content of a reply, also of one that came compressed, which some gateways do though nobody
/// asked for it. The content comes as soon as its bytes are in, so a stream remains one.
///
/// What begins like gzip is gzip whatever the headers say: some proxies drop them, others unpack
/// and leave them. Of the other encodings `deflate` can be read.
final class Decompress implements ReadLines.Source {
  private static final int AT_ONCE = 16 * 1024;
  private static final int GZIP = 0x1F8B;
  private static final Set<String> UNREADABLE =
      Set.of("br", "zstd", "compress", "x-compress", "dcb", "dcz");

  /// How JSON, events and pages begin.
  private static final String BEGINNINGS = "{[<:de \t\r\n";

  private final ReadLines.Source received;
  private final HttpHeaders headers;
  private @Nullable InputStream unpacking;
  private boolean begun;

  /// @param received gives the bytes as they came
  Decompress(ReadLines.Source received, HttpHeaders headers) {
    this.received = received;
    this.headers = headers;
  }

  @Override
  public byte @Nullable [] next() throws BrokenExchange, InterruptedException {
    try {
      if (!begun) {
        begun = true;
        var first = atLeastTwo();
        unpacking = unpacking(first);
        if (unpacking == null) {
          return first.length == 0 ? null : first;
        }
      }
      return unpacking == null ? received.next() : some(unpacking);
    } catch (NotReceived notReceived) {
      if (notReceived.getCause() instanceof BrokenExchange broken) {
        throw broken;
      }
      throw new InterruptedException("interrupted while a reply was received");
    } catch (EOFException cut) {
      throw new BrokenExchange(
          LlmErrorCode.CONNECTION_LOST, "the compressed reply ends in the middle");
    } catch (IOException notCompressed) {
      throw new BrokenExchange(
          LlmErrorCode.MALFORMED_RESPONSE,
          "the reply cannot be decompressed as what it says it is");
    }
  }

  /// Null for what is not compressed.
  private @Nullable InputStream unpacking(byte[] first) throws IOException, BrokenExchange {
    if (first.length < 2) {
      return null;
    }
    var mark = ((first[0] & 0xFF) << 8) | (first[1] & 0xFF);
    var whole = new SequenceInputStream(new ByteArrayInputStream(first), new Received());
    if (mark == GZIP) {
      return new GZIPInputStream(whole, AT_ONCE);
    }
    var encodings = encodings();
    if (encodings.contains("deflate")) {
      // With zlib's header as the standard has it, or without as some servers send it.
      var zlib = (first[0] & 0x0F) == 8 && mark % 31 == 0;
      return new InflaterInputStream(whole, new Inflater(!zlib), AT_ONCE);
    }
    for (var encoding : encodings) {
      if (UNREADABLE.contains(encoding) && BEGINNINGS.indexOf(first[0]) < 0) {
        throw new BrokenExchange(
            LlmErrorCode.MALFORMED_RESPONSE,
            "the reply is encoded as %s, which was not asked for and cannot be read"
                .formatted(encoding));
      }
    }
    return null;
  }

  private List<String> encodings() {
    return headers.allValues("content-encoding").stream()
        .flatMap(value -> Arrays.stream(value.split(",")))
        .map(encoding -> encoding.strip().toLowerCase(Locale.ROOT))
        .toList();
  }

  private byte[] atLeastTwo() throws BrokenExchange, InterruptedException {
    var first = new ByteArrayOutputStream();
    while (first.size() < 2) {
      var more = received.next();
      if (more == null) {
        break;
      }
      first.writeBytes(more);
    }
    return first.toByteArray();
  }

  private static byte @Nullable [] some(InputStream unpacking) throws IOException {
    var bytes = new byte[AT_ONCE];
    var count = unpacking.read(bytes);
    return count < 0 ? null : Arrays.copyOf(bytes, count);
  }

  /// The bytes as they came, as far as they are in.
  private final class Received extends InputStream {
    private byte[] bytes = {};
    private int at;

    @Override
    public int read() throws IOException {
      var one = new byte[1];
      return read(one, 0, 1) < 0 ? -1 : one[0] & 0xFF;
    }

    @Override
    public int read(byte[] into, int offset, int length) throws IOException {
      while (at == bytes.length) {
        byte[] more;
        try {
          more = received.next();
        } catch (BrokenExchange | InterruptedException notReceived) {
          throw new NotReceived(notReceived);
        }
        if (more == null) {
          return -1;
        }
        bytes = more;
        at = 0;
      }
      var count = Math.min(length, bytes.length - at);
      System.arraycopy(bytes, at, into, offset, count);
      at += count;
      return count;
    }
  }

  /// Carries what kept the bytes from coming through the streams.
  private static final class NotReceived extends IOException {
    private static final long serialVersionUID = 1L;

    NotReceived(Exception cause) {
      super(cause);
    }
  }
}

package org.pgoffload.worker.vendors.http;

import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.net.http.HttpHeaders;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.zip.GZIPInputStream;
import java.util.zip.Inflater;
import java.util.zip.InflaterInputStream;
import org.pgoffload.worker.models.LlmErrorCode;

/// The content of a reply, also of a compressed one: some gateways compress although the worker
/// does not ask for it. Content is there as soon as its bytes are in, so a stream remains a stream.
///
/// A body that begins like gzip is gzip whatever the headers say: some proxies drop the header,
/// others unpack the body and leave the header. `deflate` is the only other encoding that is read.
final class Decompress extends InputStream {
  private static final int AT_ONCE = 16 * 1024;
  private static final int GZIP = 0x1F8B;
  private static final Set<String> UNREADABLE =
      Set.of("br", "zstd", "compress", "x-compress", "dcb", "dcz");

  /// How JSON, events and pages begin.
  private static final String BEGINNINGS = "{[<:de \t\r\n";

  private final HttpHeaders headers;
  private InputStream bytes;
  private boolean begun;

  /// @param received gives the bytes as they came
  Decompress(InputStream received, HttpHeaders headers) {
    this.bytes = received;
    this.headers = headers;
  }

  @Override
  public int read() throws IOException {
    var one = new byte[1];
    return read(one, 0, 1) < 0 ? -1 : one[0] & 0xFF;
  }

  @Override
  public int read(byte[] into, int offset, int length) throws IOException {
    try {
      if (!begun) {
        begun = true;
        bytes = unpacked(new BufferedInputStream(bytes, AT_ONCE));
      }
      return bytes.read(into, offset, length);
    } catch (BrokenExchange | InterruptedIOException notReceived) {
      throw notReceived;
    } catch (EOFException cut) {
      throw new BrokenExchange(
          LlmErrorCode.CONNECTION_LOST, "the compressed reply ends in the middle");
    } catch (IOException notCompressed) {
      throw new BrokenExchange(
          LlmErrorCode.MALFORMED_RESPONSE,
          "the reply cannot be decompressed as what it says it is");
    }
  }

  private InputStream unpacked(InputStream packed) throws IOException {
    packed.mark(2);
    var first = packed.readNBytes(2);
    packed.reset();
    if (first.length < 2) {
      return packed;
    }
    var mark = ((first[0] & 0xFF) << 8) | (first[1] & 0xFF);
    if (mark == GZIP) {
      return new GZIPInputStream(packed, AT_ONCE);
    }
    var encodings = encodings();
    if (encodings.contains("deflate")) {
      // With zlib's header as the standard has it, or without as some servers send it.
      var zlib = (first[0] & 0x0F) == 8 && mark % 31 == 0;
      return new InflaterInputStream(packed, new Inflater(!zlib), AT_ONCE);
    }
    for (var encoding : encodings) {
      if (UNREADABLE.contains(encoding) && BEGINNINGS.indexOf(first[0]) < 0) {
        throw new BrokenExchange(
            LlmErrorCode.MALFORMED_RESPONSE,
            "the reply is encoded as %s, which was not asked for and cannot be read"
                .formatted(encoding));
      }
    }
    return packed;
  }

  private List<String> encodings() {
    return headers.allValues("content-encoding").stream()
        .flatMap(value -> Arrays.stream(value.split(",")))
        .map(encoding -> encoding.strip().toLowerCase(Locale.ROOT))
        .toList();
  }
}

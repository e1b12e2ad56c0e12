package org.pgoffload.platform;

import java.net.InetAddress;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;

/// The proxies whose header `X-Forwarded-For` is believed, by their networks. What others send in
/// it is their own invention.
///
/// @param networks none: readers come themselves
public record TrustedProxies(List<Network> networks) {
  /// No proxy is trusted.
  public static final TrustedProxies NONE = new TrustedProxies(List.of());

  /// An address with its port, as some proxies write it.
  private static final Pattern WITH_PORT =
      Pattern.compile(
          "(\\d{1,3}(?:\\.\\d{1,3}){3})(?::\\d{1,5})?|\\[([0-9a-fA-F:.]+)](?::\\d{1,5})?");

  public TrustedProxies {
    networks = List.copyOf(networks);
  }

  /// A network.
  ///
  /// @param address its first address
  /// @param bits that an address of it shares with the first one
  public record Network(InetAddress address, int bits) {
    public Network {
      if (bits < 0 || bits > address.getAddress().length * 8) {
        throw new IllegalArgumentException("no network has /" + bits + " of " + address);
      }
    }

    boolean contains(InetAddress other) {
      var mine = address.getAddress();
      var its = other.getAddress();
      if (mine.length != its.length) {
        return false;
      }
      int whole = bits / 8;
      int rest = bits % 8;
      return Arrays.equals(mine, 0, whole, its, 0, whole)
          && (rest == 0 || ((mine[whole] ^ its[whole]) & 0xff) >>> (8 - rest) == 0);
    }
  }

  /// Reads addresses and networks, `10.0.0.0/8, 2001:db8::7`.
  ///
  /// @throws IllegalArgumentException if one is neither
  public static TrustedProxies read(String text) {
    return new TrustedProxies(
        Arrays.stream(text.split(",", -1))
            .map(String::strip)
            .filter(each -> !each.isEmpty())
            .map(TrustedProxies::network)
            .toList());
  }

  private static Network network(String text) {
    int slash = text.indexOf('/');
    var address = InetAddress.ofLiteral(slash < 0 ? text : text.substring(0, slash));
    return new Network(
        address,
        slash < 0 ? address.getAddress().length * 8 : Integer.parseInt(text.substring(slash + 1)));
  }

  /// The address of the reader: the last one in the headers that is not a trusted proxy's.
  ///
  /// @param peer who has opened the connection
  /// @param forwardedFor the headers, in their order
  public String reader(String peer, List<String> forwardedFor) {
    var hop = address(peer);
    if (hop.isEmpty()) {
      return peer;
    }
    var earlier =
        forwardedFor.stream().flatMap(header -> Arrays.stream(header.split(",", -1))).toList();
    for (var text : earlier.reversed()) {
      if (!isTrusted(hop.get())) {
        break;
      }
      var next = address(text);
      if (next.isEmpty()) {
        break;
      }
      hop = next;
    }
    return hop.get().getHostAddress();
  }

  private boolean isTrusted(InetAddress address) {
    return networks.stream().anyMatch(network -> network.contains(address));
  }

  private static Optional<InetAddress> address(String text) {
    var stripped = text.strip();
    var found = WITH_PORT.matcher(stripped);
    if (found.matches()) {
      stripped = found.group(1) == null ? found.group(2) : found.group(1);
    }
    try {
      return Optional.of(InetAddress.ofLiteral(stripped));
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
  }
}

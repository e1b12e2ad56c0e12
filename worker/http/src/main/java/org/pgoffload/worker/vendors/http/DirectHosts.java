package org.pgoffload.worker.vendors.http;

import java.net.InetAddress;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// The hosts that are reached without a proxy, as `NO_PROXY` lists them: read as curl reads it
/// (curl.se/docs/manpage.html, `--noproxy`), and a few forms more that other programs understand.
/// Commas and blanks separate, case does not matter, nor does a dot at the end.
///
/// - `*`: every host
/// - `corp.example`, `.corp.example`, `*.corp.example`: this host and all below it
/// - `10.0.0.7`, `fd00::1`, `[fd00::1]`: this address
/// - `10.0.0.0/8`, `fd00::/8`: the addresses of this network
/// - with `:8080` behind it (an IPv6 address then in brackets): on this port alone
///
/// A name is compared with names and an address with addresses: nothing is looked up. Immutable.
final class DirectHosts {

  /// Every host has its proxy.
  static final DirectHosts NONE = new DirectHosts(List.of());

  private static final Pattern NAME =
      Pattern.compile("(?:\\*?\\.)?([A-Za-z0-9_-]+(?:\\.[A-Za-z0-9_-]+)*)\\.?");
  private static final Pattern IPV6 = Pattern.compile("[0-9a-f:.]*:[0-9a-f:.]*");
  private static final Pattern DOTTED = Pattern.compile("\\d+(?:\\.\\d+){3}");

  /// No name ends with a number: such an entry is an address in a form that is not understood.
  private static final Pattern LAST_IS_NUMBER = Pattern.compile("(?:.*\\.)?\\d+");

  private static final Pattern WITH_PORT = Pattern.compile("(\\[[^]]*]|[^:]*):(\\d{1,5})");

  private final List<Predicate<HostAndPort>> entries;

  private DirectHosts(List<Predicate<HostAndPort>> entries) {
    this.entries = List.copyOf(entries);
  }

  /// What the variable lists.
  ///
  /// @throws IllegalArgumentException if an entry is in no form that is understood, with its words:
  ///   to skip it would send keys to the proxy that should not go there
  static DirectHosts parse(String list) {
    var entries = new ArrayList<Predicate<HostAndPort>>();
    Arrays.stream(list.split("[,\\s]+", -1))
        .filter(entry -> !entry.isEmpty())
        .forEach(entry -> entries.add(entry(entry)));
    return new DirectHosts(entries);
  }

  boolean include(HostAndPort target) {
    return entries.stream().anyMatch(entry -> entry.test(target));
  }

  private static Predicate<HostAndPort> entry(String entry) {
    if (entry.equals("*")) {
      return _ -> true;
    }
    var whole = host(entry);
    if (whole != null) {
      return whole;
    }
    var parts = WITH_PORT.matcher(entry);
    if (parts.matches() && Integer.parseInt(parts.group(2)) <= 65_535) {
      var port = Integer.parseInt(parts.group(2));
      var host = host(parts.group(1));
      if (host != null) {
        return host.and(target -> target.port() == port);
      }
    }
    // An entry with an @ may hold a password.
    throw new IllegalArgumentException(
        entry.contains("@") ? "an entry with an @" : "'" + entry + "'");
  }

  /// An address, a network or a domain; null for any other entry.
  private static @Nullable Predicate<HostAndPort> host(String written) {
    var slash = written.indexOf('/');
    var address = address(slash < 0 ? written : written.substring(0, slash));
    if (address != null) {
      var all = address.getAddress().length * Byte.SIZE;
      var bits = slash < 0 ? Integer.valueOf(all) : bits(written.substring(slash + 1), all);
      return bits == null ? null : target -> isWithin(target, address.getAddress(), bits);
    }
    var name = NAME.matcher(written);
    if (!name.matches() || LAST_IS_NUMBER.matcher(name.group(1)).matches()) {
      return null;
    }
    var domain = HostAndPort.bare(name.group(1));
    return target ->
        target.host().equals(domain)
            || (target.host().endsWith("." + domain) && HostAndPort.address(target.host()) == null);
  }

  /// Whole addresses alone: the JDK would take `10` for 0.0.0.10.
  private static @Nullable InetAddress address(String written) {
    var bare = HostAndPort.bare(written);
    return IPV6.matcher(bare).matches() || DOTTED.matcher(bare).matches()
        ? HostAndPort.address(bare)
        : null;
  }

  private static @Nullable Integer bits(String written, int all) {
    try {
      var bits = Integer.parseInt(written);
      return bits >= 0 && bits <= all ? (Integer) bits : null;
    } catch (NumberFormatException notNumber) {
      return null;
    }
  }

  private static boolean isWithin(HostAndPort target, byte[] network, int bits) {
    var address = HostAndPort.address(target.host());
    if (address == null || address.getAddress().length != network.length) {
      return false;
    }
    var bytes = address.getAddress();
    for (var bit = 0; bit < bits; bit++) {
      var mask = 0x80 >> (bit % Byte.SIZE);
      if (((bytes[bit / Byte.SIZE] ^ network[bit / Byte.SIZE]) & mask) != 0) {
        return false;
      }
    }
    return true;
  }
}

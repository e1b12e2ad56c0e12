package org.pgoffload.platform;

import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketException;
import javax.net.SocketFactory;
import jdk.net.ExtendedSocketOptions;

/// Sockets that notice within two minutes that the other side is gone. A task may be silent for
/// days, so that no read may have a timeout, and the system's own keepalives begin after hours.
///
/// Public for the driver, which makes it by its name. Safe to share between threads.
public final class KeepAliveSockets extends SocketFactory {
  private static final int IDLE_SECONDS = 60;
  private static final int INTERVAL_SECONDS = 10;
  private static final int COUNT = 6;

  private final SocketFactory sockets = SocketFactory.getDefault();

  @Override
  public Socket createSocket() throws IOException {
    return withKeepAlive(sockets.createSocket());
  }

  @Override
  public Socket createSocket(String host, int port) throws IOException {
    return withKeepAlive(sockets.createSocket(host, port));
  }

  @Override
  public Socket createSocket(String host, int port, InetAddress local, int localPort)
      throws IOException {
    return withKeepAlive(sockets.createSocket(host, port, local, localPort));
  }

  @Override
  public Socket createSocket(InetAddress host, int port) throws IOException {
    return withKeepAlive(sockets.createSocket(host, port));
  }

  @Override
  public Socket createSocket(InetAddress host, int port, InetAddress local, int localPort)
      throws IOException {
    return withKeepAlive(sockets.createSocket(host, port, local, localPort));
  }

  private static Socket withKeepAlive(Socket socket) throws IOException {
    try {
      socket.setKeepAlive(true);
      if (socket.supportedOptions().contains(ExtendedSocketOptions.TCP_KEEPIDLE)) {
        socket.setOption(ExtendedSocketOptions.TCP_KEEPIDLE, IDLE_SECONDS);
        socket.setOption(ExtendedSocketOptions.TCP_KEEPINTERVAL, INTERVAL_SECONDS);
        socket.setOption(ExtendedSocketOptions.TCP_KEEPCOUNT, COUNT);
      }
    } catch (SocketException | UnsupportedOperationException e) {
      // the system's own are better than none
    }
    return socket;
  }
}

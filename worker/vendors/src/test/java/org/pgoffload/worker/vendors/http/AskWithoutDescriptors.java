package org.pgoffload.worker.vendors.http;

import java.io.FileInputStream;
import java.io.IOException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayDeque;
import java.util.List;
import org.pgoffload.worker.models.LlmError;
import org.pgoffload.worker.models.PieceListener;
import org.pgoffload.worker.vendors.ConformanceSuite;
import org.pgoffload.worker.vendors.Vendor;

/// Uses up the file descriptors of its process, asks a few hosts, and prints what came of it.
final class AskWithoutDescriptors {
  private AskWithoutDescriptors() {}

  public static void main(String[] arguments) throws InterruptedException, IOException {
    try (var http =
        new PostJson(ConformanceSuite.settings(Duration.ofSeconds(10)), InstantSource.system())) {
      // the classes that it takes have to be read before
      ask(arguments[0], http);
      ask("http://no-such-host.invalid", http);
      ask("http://no_such_host.invalid", http);
      var open = new ArrayDeque<FileInputStream>();
      try {
        while (true) {
          open.push(new FileInputStream("/dev/null"));
        }
      } catch (IOException none) {
        for (var host :
            List.of(arguments[0], "http://no-such-1.invalid", "http://no_such_1.invalid")) {
          System.out.println(ask(host, http).code().code());
        }
        open.pop().close();
        System.out.println(ask("http://no-such-2.invalid", http).code().code());
      }
      while (!open.isEmpty()) {
        open.pop().close();
      }
      System.out.println(ask(arguments[0], http).message());
    }
  }

  private static LlmError ask(String host, PostJson http) throws InterruptedException {
    return ConformanceSuite.error(
        Vendor.OPENAI
            .at(host, http)
            .ask(ConformanceSuite.call("Why?", Duration.ofSeconds(30)), PieceListener.NONE));
  }
}

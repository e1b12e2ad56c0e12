package org.pgoffload.console;

import java.time.Clock;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.pgoffload.console.deadletters.DeadLettersPage;
import org.pgoffload.console.maintained.MaintainedPage;
import org.pgoffload.console.models.ModelsPage;
import org.pgoffload.console.overview.OverviewPage;
import org.pgoffload.console.requests.BulkPage;
import org.pgoffload.console.requests.RequestPage;
import org.pgoffload.console.requests.RequestsPage;
import org.pgoffload.console.signin.Sessions;
import org.pgoffload.console.signin.SignIn;
import org.pgoffload.console.signin.Tokens;
import org.pgoffload.console.trying.TryPage;
import org.pgoffload.console.usage.UsagePage;
import org.pgoffload.console.web.Page;
import org.pgoffload.console.web.ServePages;
import org.pgoffload.telemetry.Health;
import org.pgoffload.telemetry.RunningPart;

/// The console, for as long as it is open. It has no login of its own and no session of the
/// database while nobody looks.
public final class ConsoleApp implements RunningPart {
  private final Sessions sessions;
  private final ServePages serve;
  private final String url;
  private final CountDownLatch ended = new CountDownLatch(1);

  private ConsoleApp(Sessions sessions, ServePages serve, String url) {
    this.sessions = sessions;
    this.serve = serve;
    this.url = url;
  }

  /// Starts to serve pages.
  ///
  /// @throws org.pgoffload.platform.ConfigurationException if the address cannot be listened at
  public static ConsoleApp start(ConsoleConfiguration configuration) {
    return start(configuration, Clock.systemUTC());
  }

  static ConsoleApp start(ConsoleConfiguration configuration, Clock clock) {
    var tokens = new Tokens();
    var sessions = Sessions.start(tokens, clock);
    var signIn =
        new SignIn(
            configuration.database(), configuration.superusersAllowed(), sessions, tokens, clock);
    var serve =
        ServePages.start(configuration.listen(), pages(configuration), sessions, tokens, signIn);
    return new ConsoleApp(sessions, serve, configuration.listen().printed(serve.port()));
  }

  /// The pages, in the order of the navigation.
  private static List<Page> pages(ConsoleConfiguration configuration) {
    return List.of(
        new OverviewPage(),
        new BulkPage(),
        new RequestsPage(configuration.textsHidden()),
        new RequestPage(configuration.textsHidden()),
        new ModelsPage(),
        new MaintainedPage(),
        new UsagePage(),
        new DeadLettersPage(configuration.deadLetters(), configuration.textsHidden()),
        new TryPage(configuration.textsHidden()));
  }

  /// The address for readers.
  public String url() {
    return url;
  }

  @Override
  public Health health() {
    return ended.getCount() == 0 ? Health.ended() : Health.ready("serves pages at " + url);
  }

  @Override
  public void awaitEnd() throws InterruptedException {
    ended.await();
  }

  /// Ends all sessions. Idempotent.
  @Override
  public void close() {
    sessions.close();
    serve.close();
    ended.countDown();
  }
}

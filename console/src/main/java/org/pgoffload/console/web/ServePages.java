package org.pgoffload.console.web;

import io.javalin.Javalin;
import io.javalin.compression.CompressionStrategy;
import io.javalin.config.JavalinConfig;
import io.javalin.http.Context;
import io.javalin.http.HttpResponseException;
import io.javalin.http.HttpStatus;
import io.javalin.util.JavalinException;
import java.util.List;
import java.util.Optional;
import org.eclipse.jetty.server.Connector;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.SecureRequestCustomizer;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.server.SslConnectionFactory;
import org.eclipse.jetty.util.ssl.SslContextFactory;
import org.pgoffload.console.signin.Sessions;
import org.pgoffload.console.signin.SignIn;
import org.pgoffload.console.signin.SignedIn;
import org.pgoffload.console.signin.Tokens;
import org.pgoffload.platform.ConfigurationException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The console's server: pages for those who are signed in, the sign-in for the others, and the
/// files that both need. Each request has a virtual thread.
public final class ServePages implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(ServePages.class);

  /// A prompt to try, or a list of ids.
  private static final long LARGEST_FORM = 1_000_000;

  private final Listen listen;
  private final Guard guard;
  private final SignInPage signIn;
  private final Render render;
  private final Files files;
  private final String home;
  private final StreamEvents events;
  private final Javalin server;

  private ServePages(
      Listen listen, List<Page> pages, Sessions sessions, Tokens tokens, SignIn signIn) {
    var entries = pages.stream().map(Page::entry).flatMap(Optional::stream).toList();
    this.listen = listen;
    this.guard = new Guard(listen, sessions, tokens);
    this.files = Files.read();
    this.home = entries.getFirst().path();
    this.render = new Render(entries, guard, files);
    this.events = new StreamEvents(render);
    this.signIn = new SignInPage(signIn, guard, render, home);
    this.server = Javalin.create(config -> configure(config, pages));
  }

  /// Starts to serve.
  ///
  /// @param pages in the order of the navigation; the first one is where a reader arrives
  /// @throws ConfigurationException if the address cannot be listened at
  public static ServePages start(
      Listen listen, List<Page> pages, Sessions sessions, Tokens tokens, SignIn signIn) {
    var serve = new ServePages(listen, pages, sessions, tokens, signIn);
    try {
      serve.server.start();
      return serve;
    } catch (JavalinException e) {
      serve.close();
      throw new ConfigurationException(
          List.of(
              "PGOFFLOAD_CONSOLE_ADDRESS: nobody can listen at "
                  + listen.host()
                  + ":"
                  + listen.port()
                  + ": "
                  + e.getMessage()));
    }
  }

  private void configure(JavalinConfig config, List<Page> pages) {
    config.startup.showJavalinBanner = false;
    config.startup.showOldJavalinVersionWarning = false;
    config.startup.startupWatcherEnabled = false;
    config.concurrency.useVirtualThreads = true;
    config.http.maxRequestSize = LARGEST_FORM;
    // the length of a compressed page would tell what is in it beside the reader's own words
    config.http.compressionStrategy = CompressionStrategy.NONE;
    config.jetty.addConnector(this::connector);
    var routes = config.routes;
    routes.before(guard::check);
    routes.get("/", context -> context.redirect(home, HttpStatus.SEE_OTHER));
    routes.get("/files/{digest}/{name}", this::sendFile);
    routes.get("/signin", signIn::show);
    routes.post("/signin", signIn::signIn);
    routes.post("/signout", signIn::signOut);
    var ours = new OurRoutes(config);
    pages.forEach(page -> page.addTo(ours));
    routes.exception(Exception.class, this::problem);
    routes.exception(
        HttpResponseException.class,
        (e, context) -> problem(new Problem(e.getStatus(), "http", words(e), ""), context));
  }

  private static String words(HttpResponseException e) {
    return switch (e.getStatus()) {
      case 404 -> "There is no such page.";
      case 413 -> "The form is too large.";
      default -> "The request was not understood.";
    };
  }

  private Connector connector(Server server, HttpConfiguration configuration) {
    configuration.setSendServerVersion(false);
    configuration.setSendDateHeader(false);
    var http = new HttpConnectionFactory(configuration);
    var connector = new ServerConnector(server, http);
    var certificate = listen.certificate();
    if (certificate != null) {
      // the name is checked by the guard, which knows the names of ours
      configuration.addCustomizer(new SecureRequestCustomizer(false));
      var tls = new SslContextFactory.Server();
      tls.setKeyStore(certificate.keys());
      tls.setKeyStorePassword("");
      connector = new ServerConnector(server, new SslConnectionFactory(tls, "http/1.1"), http);
    }
    connector.setHost(listen.host());
    connector.setPort(listen.port());
    return connector;
  }

  /// The routes of pages: for those who are signed in.
  private final class OurRoutes implements Routes {
    private final JavalinConfig config;

    private OurRoutes(JavalinConfig config) {
      this.config = config;
    }

    @Override
    public void get(String path, Show show) {
      config.routes.get(
          path,
          context -> {
            var session = guard.session(context);
            if (session.isEmpty()) {
              signIn.askFor(context);
              return;
            }
            render.view(context, show.show(new Visit(context, session.get())), session.get());
          });
    }

    @Override
    public void post(String path, Act act) {
      config.routes.post(
          path,
          context -> {
            var session = guard.session(context);
            if (session.isEmpty()) {
              signIn.askFor(context);
              return;
            }
            var next = act.act(new Visit(context, session.get()));
            LOG.info(
                "{} from {}: {} {}",
                session.get().role(),
                guard.readerOf(context),
                context.path(),
                next.notice());
            session.get().leaveNotice(next.notice());
            send(context, next.path());
          });
    }

    @Override
    public void events(String path, Tell tell) {
      config.routes.get(
          path,
          context -> {
            // it comes again by itself: no look
            var session = guard.session(context, false);
            if (session.isEmpty()) {
              context.status(HttpStatus.NO_CONTENT);
              return;
            }
            events.open(context, new Visit(context, session.get()), tell);
          });
    }
  }

  /// Sends the reader elsewhere, in a way that a script follows as a whole page too.
  static void send(Context context, String path) {
    if (Render.isFragment(context)) {
      context.header("HX-Location", path).status(HttpStatus.NO_CONTENT);
      return;
    }
    context.redirect(path, HttpStatus.SEE_OTHER);
  }

  private void sendFile(Context context) {
    var file =
        files.at(context.path()).orElseThrow(() -> Problem.notFound("There is no such file."));
    context.header("Cache-Control", "public, max-age=31536000, immutable");
    context.header("ETag", file.tag());
    if (file.tag().equals(context.header("If-None-Match"))) {
      context.status(HttpStatus.NOT_MODIFIED);
      return;
    }
    context.contentType(file.type()).result(file.content());
  }

  private void problem(Exception fault, Context context) {
    var problem = ProblemOf.fault(fault);
    if (problem.status() >= 500) {
      LOG.warn(
          "{} {} was answered with {} {}",
          context.req().getMethod(),
          context.path(),
          problem.status(),
          problem.code());
      LOG.debug("because of", fault);
      if (problem.status() == 500) {
        LOG.error("The page could not be made", fault);
      }
    }
    SignedIn session = null;
    if (!"unknown_host".equals(problem.code())) {
      session = guard.session(context).orElse(null);
    }
    render.problem(context, problem, session);
  }

  /// The port at which it listens.
  public int port() {
    return server.port();
  }

  /// Ends streams of events at once, and pages within a moment.
  @Override
  public void close() {
    events.close();
    server.stop();
  }
}

package org.pgoffload.launcher;

import org.pgoffload.platform.Settings;
import org.pgoffload.platform.hosting.RunPart;
import org.pgoffload.worker.WorkerApp;
import org.slf4j.LoggerFactory;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/// `pgoffload worker`.
@Command(
    name = "worker",
    description =
        "Executes requests and publishes their results, until it is ended. The provider is LLM_PROVIDER,"
            + " else the first whose variables are set: AZURE_OPENAI_ENDPOINT, ANTHROPIC_API_KEY,"
            + " OPENAI_API_KEY or OPENAI_BASE_URL, GEMINI_API_KEY, MISTRAL_API_KEY, OLLAMA_BASE_URL."
            + " Documents are ranked at PGOFFLOAD_RERANK_URL.")
final class WorkerCommand extends ConfiguredCommand {
  @Option(
      names = "--or-echo",
      description =
          "Where no provider is configured, let echo answer, which is no model and repeats the"
              + " prompt, instead of ending.")
  private boolean orEcho;

  @Override
  public Integer call() throws InterruptedException {
    return RunPart.run(
        this::settings,
        "worker",
        "WORKER",
        settings -> {
          var configuration = ReadConfiguration.worker(settings);
          return telemetry ->
              WorkerApp.start(configuration.worker(), configuration.providers(), telemetry);
        });
  }

  @Override
  Settings settings() {
    var settings = super.settings();
    if (!orEcho) {
      return settings;
    }
    var withEcho = ReadConfiguration.withEchoIfLeftOpen(settings.variables());
    if (!withEcho.equals(settings.variables())) {
      // no field: a logger that every command made would come before the level that some choose
      LoggerFactory.getLogger(WorkerCommand.class)
          .warn("No provider is configured: echo answers, which is no model");
    }
    return new Settings(withEcho);
  }
}

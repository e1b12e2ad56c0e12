package org.pgoffload.launcher;

import java.util.concurrent.Callable;
import org.pgoffload.worker.WorkerApp;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/// `pgoffload worker`.
@Command(
    name = "worker",
    description =
        "Executes requests and publishes their results, until it is ended. The provider is LLM_PROVIDER,"
            + " else the first whose variables are set: AZURE_OPENAI_ENDPOINT, ANTHROPIC_API_KEY,"
            + " OPENAI_API_KEY, GEMINI_API_KEY, MISTRAL_API_KEY, OLLAMA_BASE_URL.",
    mixinStandardHelpOptions = true,
    versionProvider = Version.class)
final class WorkerCommand implements Callable<Integer> {
  @Mixin private EnvironmentOptions options = new EnvironmentOptions();

  @Override
  public Integer call() throws InterruptedException {
    return RunPart.run(
        options::settings,
        "worker",
        "WORKER",
        settings -> {
          var configuration = ReadConfiguration.worker(settings);
          return telemetry ->
              WorkerApp.start(configuration.worker(), configuration.providers(), telemetry);
        });
  }
}

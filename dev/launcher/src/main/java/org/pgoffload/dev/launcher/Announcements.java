package org.pgoffload.dev.launcher;

/// The words to the person at the terminal.
final class Announcements {
  static final String ECHO =
      """
      No provider is configured, so 'echo' answers: it is no model and only repeats the prompt.
      For a real one set OPENAI_API_KEY, ANTHROPIC_API_KEY or AZURE_OPENAI_ENDPOINT (docs/llm-providers.md).
      """;

  private Announcements() {}

  static String ready(LocalInstallation installation) {
    var text = new StringBuilder("\npgoffload is ready.\n\n");
    if (installation.hasPostgres()) {
      text.append("  Application role:  psql '")
          .append(installation.applicationUri())
          .append("'\n");
      text.append("  Superuser:         psql '").append(installation.adminUri()).append("'\n");
    }
    text.append("  Kafka:             ").append(installation.kafkaBootstrap()).append('\n');
    if (installation.consoleUrl() != null) {
      text.append("  Console:           ").append(installation.consoleUrl());
      if (installation.hasPostgres()) {
        // the password stands in the address above
        text.append(" (sign in as ").append(LocalInstallation.APPLICATION_ROLE).append(')');
      }
      text.append('\n');
    }
    text.append("  Results topic:     ").append(installation.topics().results()).append("\n\n");
    if (installation.hasPostgres()) {
      text.append("Try:\n  psql '")
          .append(installation.applicationUri())
          .append("' -c \"select llm_ask('Why is the sky blue?')\"\n\n");
    }
    text.append("Another worker joins with:\n ");
    installation
        .joiningEnvironment()
        .forEach((name, value) -> {
          if (!name.equals("DATABASE_URL")
              && !name.startsWith("PGOFFLOAD_PRODUCER")
              && !name.startsWith("PGOFFLOAD_RESULTS")) {
            text.append(' ').append(name).append("='").append(value).append('\'');
          }
        });
    return text.append(" ./pgoffload worker\n\nCtrl-C ends everything.\n").toString();
  }
}

package org.pgoffload.console;

import org.jspecify.annotations.Nullable;
import org.pgoffload.console.web.Listen;
import org.pgoffload.operations.deadletters.LetterTopic;
import org.pgoffload.platform.DatabaseAddress;

/// The configuration of the console.
///
/// @param database the place of the database; its login is not used, since each reader brings one
/// @param listen where it listens
/// @param superusersAllowed whether a superuser may sign in
/// @param textsHidden whether prompts and answers are shown only when a reader asks for them
/// @param deadLetters their topic, or null where Kafka is not configured: their page says so
public record ConsoleConfiguration(
    DatabaseAddress database,
    Listen listen,
    boolean superusersAllowed,
    boolean textsHidden,
    @Nullable LetterTopic deadLetters) {}

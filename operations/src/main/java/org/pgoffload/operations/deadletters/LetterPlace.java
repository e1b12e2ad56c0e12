package org.pgoffload.operations.deadletters;

/// Where a letter stands on the topic of dead letters.
public record LetterPlace(int partition, long offset) {}

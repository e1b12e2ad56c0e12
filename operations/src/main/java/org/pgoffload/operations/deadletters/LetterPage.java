package org.pgoffload.operations.deadletters;

import java.util.List;
import java.util.Map;

/// Some letters, the newest first.
///
/// @param older where the page of older ones begins: the offset of each partition below which it
///   reads; empty where there are none
public record LetterPage(List<ListedLetter> letters, Map<Integer, Long> older) {}

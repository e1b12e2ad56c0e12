package org.pgoffload.operations.deadletters;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.jspecify.annotations.Nullable;

/// Reads the dead-letter topic up to where it ends now, and changes nothing.
///
/// Not safe to share between threads.
public final class ReadDeadLetters implements AutoCloseable {
  private static final Duration POLL = Duration.ofMillis(200);
  private static final Pattern POSITION = Pattern.compile("(?:(.+)-)?(\\d{1,9})@(\\d{1,18})");

  private final String topic;
  private final Duration patience;
  private final KafkaConsumer<byte[], byte[]> consumer;

  public ReadDeadLetters(Map<String, Object> kafka, String topic) {
    this.topic = topic;
    var properties = new HashMap<>(kafka);
    // it reads partitions of its own choice, and remembers nothing
    properties.remove(ConsumerConfig.GROUP_ID_CONFIG);
    properties.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
    // a letter may be removed while we look
    properties.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    // who waits at a terminal wants to know sooner than after Kafka's minute
    properties.putIfAbsent(ConsumerConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, 15_000);
    // a look makes no topic
    properties.put(ConsumerConfig.ALLOW_AUTO_CREATE_TOPICS_CONFIG, false);
    // letters are large at worst, and are looked at one after the other
    properties.putIfAbsent(ConsumerConfig.FETCH_MAX_BYTES_CONFIG, 8 << 20);
    this.patience =
        Duration.ofMillis(
            Long.parseLong(
                String.valueOf(properties.get(ConsumerConfig.DEFAULT_API_TIMEOUT_MS_CONFIG))));
    this.consumer =
        asking(() ->
            new KafkaConsumer<>(
                properties, new ByteArrayDeserializer(), new ByteArrayDeserializer()));
  }

  /// Reads a position: `topic-partition@offset`, or without the topic.
  ///
  /// @throws IllegalArgumentException if it is none of this topic, in words
  public LetterPlace position(String text) {
    var matcher = POSITION.matcher(text);
    if (!matcher.matches()) {
      throw new IllegalArgumentException(
          "'" + text + "' is not a position such as " + topic + "-0@17");
    }
    if (matcher.group(1) != null && !matcher.group(1).equals(topic)) {
      throw new IllegalArgumentException("'" + text + "' is not a position of topic " + topic);
    }
    return new LetterPlace(Integer.parseInt(matcher.group(2)), Long.parseLong(matcher.group(3)));
  }

  /// All letters, in the order of each partition.
  ///
  /// @param since those before are left out; null for none
  public void all(@Nullable Instant since, Consumer<DeadLetter> each) {
    asking(() -> {
      var partitions = partitions();
      consumer.assign(partitions);
      if (since == null) {
        consumer.seekToBeginning(partitions);
      } else {
        var from =
            consumer.offsetsForTimes(
                partitions.stream()
                    .collect(Collectors.toMap(partition -> partition, _ -> since.toEpochMilli())));
        consumer.seekToEnd(partitions);
        for (var partition : partitions) {
          var offset = from.get(partition);
          if (offset != null) {
            consumer.seek(partition, offset.offset());
          }
        }
      }
      read(consumer.endOffsets(partitions), each);
      return true;
    });
  }

  /// One letter; empty if there is none.
  public Optional<DeadLetter> at(LetterPlace place) {
    return asking(() -> {
      var partition = new TopicPartition(topic, place.partition());
      if (!partitions().contains(partition)) {
        return Optional.<DeadLetter>empty();
      }
      consumer.assign(List.of(partition));
      long end = Objects.requireNonNull(consumer.endOffsets(List.of(partition)).get(partition));
      if (place.offset() >= end) {
        return Optional.<DeadLetter>empty();
      }
      consumer.seek(partition, place.offset());
      var found = new AtomicReference<@Nullable DeadLetter>();
      read(
          Map.of(partition, Math.min(end, place.offset() + 1)),
          letter -> {
            if (letter.place().equals(place)) {
              found.set(letter);
            }
          });
      return Optional.ofNullable(found.get());
    });
  }

  /// A page of letters, the newest first.
  ///
  /// Partitions are put in order by their letters' times; within one, the order is the topic's.
  ///
  /// @param below the offset of each partition below which it reads; of one that is not named, the
  ///   end
  /// @param most letters of a page
  public LetterPage newest(Map<Integer, Long> below, int most) {
    return asking(() -> {
      var partitions = partitions();
      // Kafka warns of the offsets of partitions that are not assigned
      consumer.assign(partitions);
      var begins = consumer.beginningOffsets(partitions);
      var ends = consumer.endOffsets(partitions);
      var from = new HashMap<TopicPartition, Long>();
      var until = new HashMap<TopicPartition, Long>();
      for (var partition : partitions) {
        long begin = Objects.requireNonNull(begins.get(partition));
        long end = Objects.requireNonNull(ends.get(partition));
        end = Math.min(end, below.getOrDefault(partition.partition(), end));
        if (begin < end) {
          from.put(partition, Math.max(begin, end - most));
          until.put(partition, end);
        }
      }
      consumer.assign(until.keySet());
      from.forEach(consumer::seek);
      var found = new HashMap<Integer, ArrayDeque<ListedLetter>>();
      read(
          until,
          letter ->
              found
                  .computeIfAbsent(letter.place().partition(), _ -> new ArrayDeque<>())
                  .addLast(ListedLetter.of(letter)));
      var page = merged(found.values(), most);
      var older = new TreeMap<Integer, Long>();
      from.forEach((partition, first) -> {
        var left = found.get(partition.partition());
        long next = left == null || left.isEmpty() ? first : left.getLast().place().offset() + 1;
        older.put(partition.partition(), next);
      });
      boolean hasOlder =
          partitions.stream()
              .anyMatch(partition ->
                  older.getOrDefault(partition.partition(), 0L)
                      > Objects.requireNonNull(begins.get(partition)));
      // a partition without older ones is named too: what comes to it is newer
      begins.forEach((partition, begin) -> older.putIfAbsent(partition.partition(), begin));
      return new LetterPage(page, hasOlder ? older : Map.of());
    });
  }

  /// Takes the newest of the last ones of all partitions, one after the other.
  private static List<ListedLetter> merged(
      Collection<ArrayDeque<ListedLetter>> partitions, int most) {
    var page = new ArrayList<ListedLetter>();
    while (page.size() < most) {
      var newest =
          partitions.stream()
              .filter(letters -> !letters.isEmpty())
              .max(Comparator.comparing(letters -> letters.getLast().time()));
      if (newest.isEmpty()) {
        break;
      }
      page.add(newest.get().removeLast());
    }
    return page;
  }

  private List<TopicPartition> partitions() {
    return consumer.partitionsFor(topic).stream()
        .map(partition -> new TopicPartition(topic, partition.partition()))
        .toList();
  }

  /// Reads up to an offset of each partition, which it leaves out.
  ///
  /// @throws UnreadableLettersException if Kafka is silent for the time of a request
  private void read(Map<TopicPartition, Long> until, Consumer<DeadLetter> each) {
    long heard = System.nanoTime();
    while (until.entrySet().stream()
        .anyMatch(end -> consumer.position(end.getKey()) < end.getValue())) {
      for (var record : consumer.poll(POLL)) {
        heard = System.nanoTime();
        var end = until.get(new TopicPartition(record.topic(), record.partition()));
        if (end != null && record.offset() < end) {
          each.accept(DeadLetter.of(record));
        }
      }
      if (System.nanoTime() - heard > patience.toNanos()) {
        throw new TimeoutException("no answer within " + patience.toSeconds() + " s");
      }
    }
  }

  @FunctionalInterface
  private interface Ask<T> {
    T ask();
  }

  private static <T> T asking(Ask<T> ask) {
    try {
      return ask.ask();
    } catch (KafkaException e) {
      throw new UnreadableLettersException(String.valueOf(e.getMessage()), e);
    }
  }

  @Override
  public void close() {
    consumer.close(CloseOptions.timeout(Duration.ofSeconds(1)));
  }
}

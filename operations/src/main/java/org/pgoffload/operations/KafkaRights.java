package org.pgoffload.operations;

import static org.apache.kafka.common.acl.AclOperation.ALTER_CONFIGS;
import static org.apache.kafka.common.acl.AclOperation.CREATE;
import static org.apache.kafka.common.acl.AclOperation.DELETE;
import static org.apache.kafka.common.acl.AclOperation.DESCRIBE;
import static org.apache.kafka.common.acl.AclOperation.DESCRIBE_CONFIGS;
import static org.apache.kafka.common.acl.AclOperation.READ;
import static org.apache.kafka.common.acl.AclOperation.WRITE;
import static org.apache.kafka.common.resource.PatternType.LITERAL;
import static org.apache.kafka.common.resource.PatternType.PREFIXED;
import static org.apache.kafka.common.resource.ResourceType.GROUP;
import static org.apache.kafka.common.resource.ResourceType.TOPIC;
import static org.apache.kafka.common.resource.ResourceType.TRANSACTIONAL_ID;

import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;
import org.pgoffload.protocol.TopicNames;

/// A right in Kafka that a part needs: what the documentation lists, `pgoffload acls` prints, and
/// the tests run with, where everything else is denied.
///
/// @param on what kind of resource
/// @param name its name, or what its name starts with
/// @param pattern whether the name is whole
/// @param operations what is done with it; READ and WRITE imply DESCRIBE
public record KafkaRights(
    ResourceType on, String name, PatternType pattern, List<AclOperation> operations) {
  public KafkaRights {
    operations = List.copyOf(operations);
  }

  /// The principals that need rights.
  public enum Part {
    /// Makes topics and sets their settings, and writes the record of the primary: also `promote`.
    INSTALL,
    /// Publishes what was captured; after a break it looks how far the others have come.
    PRODUCER,
    /// A connector that captures instead: its producers, the client that makes its topic, and
    /// `pgoffload connector-config`. What Kafka Connect needs for itself is Connect's own.
    CONNECTOR,
    /// Reads requests, publishes results.
    WORKER,
    /// Writes results back and counts the usage, with topics and transactions of its own.
    RESULTS,
    /// Removes finished old requests from their topics, and shows how far each consumer has come,
    /// as `pgoffload status` does.
    MAINTAIN,
    /// Removes the topics and the groups, when it is told to.
    UNINSTALL,
    /// Lists, shows and replays dead letters.
    DEAD_LETTERS,
    /// A user's own consumer of results, pieces of answers, and usage.
    DOWNSTREAM;

    /// As on the command line.
    public String text() {
      return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
  }

  /// The rights of a principal, and no others.
  ///
  /// @param topics the names of the installation
  public static List<KafkaRights> of(Part part, TopicNames topics) {
    return switch (part) {
      case INSTALL ->
          Stream.of(
                  List.of(
                      new KafkaRights(
                          TOPIC,
                          topics.prefix() + ".",
                          PREFIXED,
                          List.of(CREATE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS))),
                  control(topics),
                  primary(topics))
              .flatMap(List::stream)
              .toList();
      case PRODUCER ->
          Stream.of(
                  topics(captured(topics), WRITE),
                  topics(List.of(topics.deferred(), topics.results()), DESCRIBE),
                  control(topics),
                  primary(topics),
                  groups(workers(topics), DESCRIBE),
                  groups(List.of(topics.writeBack()), DESCRIBE))
              .flatMap(List::stream)
              .toList();
      case CONNECTOR ->
          Stream.of(
                  topics(captured(topics), WRITE),
                  topics(List.of(topics.heartbeats()), CREATE, WRITE),
                  topics(List.of(topics.llmRequests()), DESCRIBE_CONFIGS))
              .flatMap(List::stream)
              .toList();
      case WORKER ->
          Stream.of(
                  topics(
                      List.of(topics.llmRequests(), topics.sqlRequests(), topics.commands()), READ),
                  topics(List.of(topics.deferred(), topics.results()), READ, WRITE),
                  topics(List.of(topics.pieces(), topics.deadLetters()), WRITE),
                  control(topics),
                  groups(workers(topics), READ),
                  groups(List.of(topics.writeBack()), DESCRIBE))
              .flatMap(List::stream)
              .toList();
      case RESULTS ->
          Stream.of(
                  topics(List.of(topics.results(), topics.pieces()), READ),
                  topics(List.of(topics.usage()), READ, WRITE),
                  topics(List.of(topics.deadLetters()), WRITE),
                  control(topics),
                  groups(List.of(topics.writeBack(), topics.usage()), READ),
                  List.of(
                      new KafkaRights(
                          TOPIC,
                          topics.usage() + "-",
                          PREFIXED,
                          List.of(CREATE, READ, WRITE, DELETE, DESCRIBE_CONFIGS)),
                      new KafkaRights(
                          TRANSACTIONAL_ID, topics.usage() + "-", PREFIXED, List.of(WRITE))))
              .flatMap(List::stream)
              .toList();
      case MAINTAIN ->
          Stream.of(
                  topics(topics.requests(), DELETE),
                  topics(topics.all(), DESCRIBE, DESCRIBE_CONFIGS),
                  topics(List.of(topics.control()), READ),
                  topics(List.of(topics.heartbeats()), DESCRIBE, DESCRIBE_CONFIGS),
                  groups(workers(topics), DESCRIBE),
                  groups(List.of(topics.writeBack(), topics.usage()), DESCRIBE))
              .flatMap(List::stream)
              .toList();
      case UNINSTALL ->
          Stream.of(
                  topics(topics.all(), DESCRIBE, DELETE),
                  topics(List.of(topics.control()), READ),
                  topics(List.of(topics.heartbeats()), DESCRIBE, DELETE),
                  List.of(
                      new KafkaRights(
                          TOPIC, topics.usage() + "-", PREFIXED, List.of(DESCRIBE, DELETE))),
                  groups(workers(topics), DESCRIBE, DELETE),
                  groups(List.of(topics.writeBack(), topics.usage()), DESCRIBE, DELETE))
              .flatMap(List::stream)
              .toList();
      case DEAD_LETTERS -> topics(List.of(topics.deadLetters(), topics.control()), READ);
      case DOWNSTREAM ->
          Stream.concat(
                  topics(List.of(topics.results(), topics.pieces(), topics.usage()), READ).stream(),
                  // its own: with the group of the results application it could skip results
                  Stream.of(
                      new KafkaRights(
                          GROUP, topics.prefix() + "-downstream", PREFIXED, List.of(READ))))
              .toList();
    };
  }

  /// Of a part that follows the record of the primary, and says that it has found its server.
  private static List<KafkaRights> control(TopicNames topics) {
    return topics(List.of(topics.control()), READ, WRITE);
  }

  /// Of those that write the record of the primary, one after another.
  private static List<KafkaRights> primary(TopicNames topics) {
    return List.of(new KafkaRights(TRANSACTIONAL_ID, topics.control(), LITERAL, List.of(WRITE)));
  }

  private static List<String> captured(TopicNames topics) {
    return List.of(
        topics.llmRequests(), topics.sqlRequests(), topics.commands(), topics.deadLetters());
  }

  private static List<String> workers(TopicNames topics) {
    return topics.requests().stream().map(topics::workersOf).toList();
  }

  private static List<KafkaRights> topics(List<String> names, AclOperation... operations) {
    return names.stream()
        .map(name -> new KafkaRights(TOPIC, name, LITERAL, List.of(operations)))
        .toList();
  }

  private static List<KafkaRights> groups(List<String> names, AclOperation... operations) {
    return names.stream()
        .map(name -> new KafkaRights(GROUP, name, LITERAL, List.of(operations)))
        .toList();
  }

  /// As Kafka's own client takes them, for any host.
  ///
  /// @param principal such as `User:pgoffload-worker`
  public List<AclBinding> bindings(String principal) {
    return operations.stream()
        .map(operation ->
            new AclBinding(
                new ResourcePattern(on, name, pattern),
                new AccessControlEntry(principal, "*", operation, AclPermissionType.ALLOW)))
        .toList();
  }

  /// As arguments of Kafka's `kafka-acls`.
  public String arguments(String principal) {
    var flag =
        switch (on) {
          case TOPIC -> "--topic";
          case GROUP -> "--group";
          case TRANSACTIONAL_ID -> "--transactional-id";
          case UNKNOWN, ANY, CLUSTER, DELEGATION_TOKEN, USER ->
              throw new IllegalStateException("no part needs rights on " + on);
        };
    return "--add --allow-principal "
        + principal
        + operations.stream()
            .map(operation -> " --operation " + word(operation))
            .collect(Collectors.joining())
        + " "
        + flag
        + " "
        + name
        + (pattern == PREFIXED ? " --resource-pattern-type prefixed" : "");
  }

  private static String word(AclOperation operation) {
    return Stream.of(operation.name().split("_"))
        .map(word -> word.charAt(0) + word.substring(1).toLowerCase(Locale.ROOT))
        .collect(Collectors.joining());
  }
}

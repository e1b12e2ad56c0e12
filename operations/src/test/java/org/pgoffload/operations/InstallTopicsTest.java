package org.pgoffload.operations;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.common.errors.PolicyViolationException;
import org.apache.kafka.server.policy.AlterConfigPolicy;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.pgoffload.dev.servers.kafka.BrokerInJvm;
import org.pgoffload.dev.servers.kafka.BrokerOptions;
import org.pgoffload.dev.servers.kafka.KafkaBroker;
import org.pgoffload.protocol.TopicNames;
import org.pgoffload.schema.InstallException;

/// The settings of topics on which guarantees rest, on a real broker whose defaults would break
/// each of them.
@Timeout(120)
final class InstallTopicsTest {
  private static final TopicSettings SETTINGS = new TopicSettings(1 << 20, Duration.ofDays(7), "");
  private static KafkaBroker broker;
  private static int installations;

  private TopicNames topics;

  @BeforeAll
  static void start() {
    broker =
        BrokerInJvm.start(
            BrokerOptions.temporary()
                .withSettings(
                    Map.of(
                        "log.cleanup.policy",
                        "compact",
                        "log.retention.bytes",
                        "1048576",
                        "log.segment.bytes",
                        "1048576",
                        "log.message.timestamp.type",
                        "CreateTime",
                        "log.retention.ms",
                        "60000",
                        "log.cleaner.delete.retention.ms",
                        "1000",
                        "unclean.leader.election.enable",
                        "true",
                        "alter.config.policy.class.name",
                        ForbidCompactedTopics.class.getName())));
  }

  @AfterAll
  static void end() {
    broker.close();
  }

  @BeforeEach
  void chooseNames() {
    topics = new TopicNames("settings" + installations++);
  }

  @Test
  void newTopicsHaveTheirOwnSettingsWhateverTheBrokersDefaultsAre() throws Exception {
    install();
    assertThat(deviations()).isEmpty();
    assertThat(settingsOf(topics.llmRequests()))
        .containsEntry("cleanup.policy", "delete")
        .containsEntry("message.timestamp.type", "LogAppendTime")
        .containsEntry("retention.ms", "-1")
        .containsEntry("retention.bytes", "-1")
        .containsEntry("max.message.bytes", "2097152")
        .containsEntry("segment.bytes", "2097152")
        .containsEntry("min.insync.replicas", "1")
        .containsEntry("unclean.leader.election.enable", "false");
    assertThat(settingsOf(topics.usage()))
        .containsEntry("cleanup.policy", "compact")
        .containsEntry("delete.retention.ms", "86400000");
    for (var topic : List.of(topics.results(), topics.pieces(), topics.deadLetters())) {
      assertThat(settingsOf(topic))
          .containsEntry("cleanup.policy", "delete")
          .containsEntry("retention.ms", "604800000")
          .containsEntry("retention.bytes", "-1");
    }
    assertThat(settingsOf(topics.commands()))
        .containsEntry("cleanup.policy", "delete")
        .containsEntry("retention.ms", "86400000");
    assertThat(install().lines()).isEmpty();
  }

  @Test
  void anExistingTopicOfRequestsIsCompactedNoLongerAndItsLossIsSaid() throws Exception {
    create(topics.sqlRequests());
    create(topics.heartbeats());
    assertThat(deviations())
        .extracting(TopicDeviation::text)
        .contains(
            "topic " + topics.sqlRequests() + ": cleanup.policy is compact, and has to be delete",
            "topic " + topics.sqlRequests() + ": retention.bytes is 1048576, and has to be -1",
            "topic "
                + topics.sqlRequests()
                + ": segment.bytes is 1048576, and has to be at least 2097152",
            "topic " + topics.heartbeats() + ": cleanup.policy is compact, and has to be delete");
    var changes = install();
    assertThat(changes.lostRequests()).isTrue();
    assertThat(changes.lines())
        .contains(
            "set cleanup.policy of topic "
                + topics.sqlRequests()
                + " to delete, which was compact");
    assertThat(settingsOf(topics.sqlRequests())).containsEntry("cleanup.policy", "delete");
    assertThat(deviations()).isEmpty();
    assertThat(install())
        .isEqualTo(new InstallTopics.Changes(List.of(), changes.requests(), false));
  }

  @Test
  void aSettingThatCannotBeChangedIsRefusedByNameAndTheOthersAreSet() throws Exception {
    topics = new TopicNames(ForbidCompactedTopics.PREFIX);
    create(topics.llmRequests());
    assertThatThrownBy(this::install)
        .isInstanceOf(InstallException.class)
        .hasMessageContainingAll(
            "topic " + topics.llmRequests() + ": cleanup.policy is compact, and has to be delete",
            "this broker compacts",
            "run pgoffload install again")
        .hasMessageNotContaining("retention.bytes");
    assertThat(deviations())
        .containsExactly(
            new TopicDeviation(
                topics.llmRequests(),
                new TopicRequirement("cleanup.policy", "delete", TopicRequirement.Rule.EXACTLY),
                "compact"));
  }

  @Test
  void oneBrokerIsToldOfAndItsReplicasAreInSync() throws Exception {
    install();
    var replicas = replicas();
    assertThat(replicas)
        .isEqualTo(new TopicReplicas(1, topics.all(), List.of(), List.of(), List.of()));
    assertThat(replicas.check().state()).isEqualTo("ok");
    assertThat(replicas.check().detail())
        .contains("one broker", "can be lost with one of its disks, or when the power fails");
    assertThat(InstallTopics.advice(client(), topics)).contains(replicas.check().detail());
  }

  @Test
  void partitionsThatTakeNoRecordsAreInError() throws Exception {
    install();
    set(topics.results(), "min.insync.replicas", "2");
    var check = replicas().check();
    assertThat(check.state()).isEqualTo("error");
    assertThat(check.detail())
        .contains("nothing can be written", topics.results() + "-0")
        .doesNotContain(topics.llmRequests());
  }

  @Test
  void topicsWithFewReplicasOnThreeBrokersAreToldByName() {
    var replicas =
        new TopicReplicas(3, List.of("p.results"), List.of(), List.of(), List.of("p.results-1"));
    assertThat(replicas.advice().orElseThrow())
        .contains("3 brokers", "p.results", "kafka-reassign-partitions");
    assertThat(replicas.check().detail()).contains("away or behind", "p.results-1");
  }

  @Test
  void ofThreeReplicasTwoHaveToBeInSyncAndOfTwoOne() {
    assertThat(inSync(3).value()).isEqualTo("2");
    assertThat(inSync(2).value()).isEqualTo("1");
    assertThat(inSync(3).isMet("3", 3)).isTrue();
    assertThat(inSync(3).isMet("1", 3)).isFalse();
    assertThat(inSync(1).isMet("2", 1)).as("nothing could be written").isFalse();
  }

  private TopicRequirement inSync(int replicas) {
    return TopicRequirement.of(topics, topics.results(), SETTINGS, replicas).stream()
        .filter(requirement -> requirement.name().equals("min.insync.replicas"))
        .findFirst()
        .orElseThrow();
  }

  private InstallTopics.Changes install() {
    return InstallTopics.run(
        client(), topics, 1, (short) 1, SETTINGS.maxRequestBytes(), SETTINGS.retention());
  }

  private List<TopicDeviation> deviations() throws Exception {
    try (var admin = Admin.create(client())) {
      return TopicDeviation.find(admin, topics, SETTINGS);
    }
  }

  private TopicReplicas replicas() throws Exception {
    try (var admin = Admin.create(client())) {
      return TopicReplicas.find(admin, topics);
    }
  }

  private static void set(String topic, String name, String value) throws Exception {
    var operation = new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET);
    try (var admin = Admin.create(client())) {
      admin
          .incrementalAlterConfigs(Map.of(TopicDeviation.resource(topic), List.of(operation)))
          .all()
          .get();
    }
  }

  private static void create(String topic) throws Exception {
    try (var admin = Admin.create(client())) {
      admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1))).all().get();
    }
  }

  private static Map<String, String> settingsOf(String topic) throws Exception {
    var resource = TopicDeviation.resource(topic);
    var settings = new TreeMap<String, String>();
    try (var admin = Admin.create(client())) {
      Objects.requireNonNull(admin.describeConfigs(List.of(resource)).all().get().get(resource))
          .entries()
          .forEach(entry -> settings.put(entry.name(), entry.value()));
    }
    return settings;
  }

  private static Map<String, Object> client() {
    return Map.of("bootstrap.servers", broker.bootstrapServers());
  }

  /// An administrator's, by which one installation's topics stay compacted.
  public static final class ForbidCompactedTopics implements AlterConfigPolicy {
    static final String PREFIX = "governed";
    private static final String TOPIC = PREFIX + ".requests.llm";

    @Override
    public void configure(Map<String, ?> configs) {}

    @Override
    public void validate(RequestMetadata change) {
      if (change.resource().name().equals(TOPIC)
          && "delete".equals(change.configs().get("cleanup.policy"))) {
        throw new PolicyViolationException("this broker compacts");
      }
    }

    @Override
    public void close() {}
  }
}

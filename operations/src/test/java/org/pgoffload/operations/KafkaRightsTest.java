package org.pgoffload.operations;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.stream.Stream;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourceType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.pgoffload.operations.KafkaRights.Part;
import org.pgoffload.protocol.TopicNames;

/// That they suffice, and that nothing else is needed, the launcher's tests show on a broker.
class KafkaRightsTest {
  private static final TopicNames TOPICS = new TopicNames("shop");

  @Test
  void areArgumentsOfKafkasOwnCommand() {
    assertThat(KafkaRights.of(Part.INSTALL, TOPICS))
        .extracting(right -> right.arguments("User:installer"))
        .containsExactly(
            "--add --allow-principal User:installer --operation Create --operation Describe"
                + " --operation DescribeConfigs --operation AlterConfigs --topic shop."
                + " --resource-pattern-type prefixed",
            "--add --allow-principal User:installer --operation Read --operation Write --topic"
                + " shop.control",
            "--add --allow-principal User:installer --operation Write --transactional-id"
                + " shop.control");
    assertThat(KafkaRights.of(Part.RESULTS, TOPICS))
        .extracting(right -> right.arguments("User:r"))
        .contains(
            "--add --allow-principal User:r --operation Read --group shop.results-writer",
            "--add --allow-principal User:r --operation Write --transactional-id shop.usage-"
                + " --resource-pattern-type prefixed");
  }

  /// One installation's parts are not another's on the same cluster.
  @ParameterizedTest
  @EnumSource
  void staysWithinThePrefix(Part part) {
    assertThat(KafkaRights.of(part, TOPICS))
        .allMatch(right -> right.name().startsWith("shop.") || right.name().startsWith("shop-"))
        .noneMatch(right -> right.on() == ResourceType.CLUSTER)
        .allMatch(right ->
            right.pattern() == PatternType.LITERAL
                || Stream.of(Part.INSTALL, Part.RESULTS, Part.DOWNSTREAM, Part.UNINSTALL)
                    .anyMatch(part::equals));
  }

  @ParameterizedTest
  @EnumSource(names = {"MAINTAIN", "UNINSTALL", "DEAD_LETTERS", "DOWNSTREAM"})
  void letsOnlyThePartsOnTheWayWrite(Part part) {
    assertThat(KafkaRights.of(part, TOPICS))
        .noneMatch(right -> right.operations().contains(AclOperation.WRITE));
  }

  @ParameterizedTest
  @EnumSource(names = {"MAINTAIN", "UNINSTALL", "DEAD_LETTERS"})
  void letsCommandsThatFollowTheRecordOfThePrimaryReadIt(Part part) {
    assertThat(KafkaRights.of(part, TOPICS))
        .filteredOn(right -> right.operations().contains(AclOperation.READ))
        .extracting(KafkaRights::name)
        .contains(TOPICS.control());
  }

  @Test
  void letsInstallWriteTheRecordOfThePrimaryAlone() {
    assertThat(KafkaRights.of(Part.INSTALL, TOPICS))
        .filteredOn(right -> right.operations().contains(AclOperation.WRITE))
        .extracting(KafkaRights::name)
        .containsOnly(TOPICS.control());
  }
}

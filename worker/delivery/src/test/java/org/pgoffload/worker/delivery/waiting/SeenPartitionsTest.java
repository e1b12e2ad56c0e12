package org.pgoffload.worker.delivery.waiting;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.MockConsumer;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.Test;

final class SeenPartitionsTest {
  private static final TopicPartition FIRST = new TopicPartition("t", 0);
  private static final TopicPartition THIRD = new TopicPartition("t", 2);

  private final MockConsumer<byte[], byte[]> consumer = new MockConsumer<>("earliest");
  private final SeenPartitions seen = new SeenPartitions("t");

  private String told() {
    var told = JsonNodeFactory.instance.objectNode();
    seen.tell(told);
    return told.toString();
  }

  @Test
  void tellsWhichPartitionsAreReadAndHowManyRecordsAreNot() {
    assertThat(told())
        .isEqualTo("{\"topic\":\"t\",\"partitions\":0,\"assigned\":[],\"behind\":{}}");
    var nodes = new Node[0];
    consumer.updatePartitions(
        "t",
        List.of(0, 1, 2).stream()
            .map(number -> new PartitionInfo("t", number, null, nodes, nodes))
            .toList());
    consumer.assign(List.of(FIRST, THIRD));
    consumer.updateBeginningOffsets(Map.of(FIRST, 0L, THIRD, 0L));
    consumer.updateEndOffsets(Map.of(FIRST, 0L, THIRD, 12L));
    consumer.addRecord(new ConsumerRecord<>("t", 2, 0, null, new byte[0]));
    var _ = consumer.poll(Duration.ZERO);
    seen.look(consumer, true);
    assertThat(told())
        .isEqualTo(
            "{\"topic\":\"t\",\"partitions\":3,\"full\":true,\"assigned\":[0,2],\"behind\":{\"0\":-1,\"2\":11}}");
    // not again at once
    consumer.assign(List.of(FIRST));
    seen.look(consumer, false);
    assertThat(told()).contains("\"assigned\":[0,2]");
  }

  @Test
  void choosesThoseWithTheLargestSize() {
    var numbers = new ArrayList<Integer>();
    for (int i = 0; i < 200; i++) {
      numbers.add(i * 37 % 200);
    }
    var largest = Largest.of(numbers, number -> number);
    assertThat(largest).hasSize(TellWaiting.MOST).startsWith(199, 198).endsWith(150);
    assertThat(Largest.of(List.of(0, 3, 0), number -> number)).containsExactly(3);
  }

  @Test
  void aPartThatFailsIsLeftOut() {
    var tell = new TellWaiting();
    tell.add(_ -> {
      throw new IllegalStateException("broken");
    });
    tell.add(told -> told.put("a", 1));
    assertThat(tell.tell().toString()).isEqualTo("{\"a\":1}");
  }
}

package org.pgoffload.dev.faults.books;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.junit.jupiter.api.Test;

class MixTest {
  @Test
  void sharesFiveThousandAsDocumented() {
    assertThat(Mix.of(5000)).isEqualTo(new Mix(3800, 200, 700, 100, 200));
  }

  @Test
  void asksAsMuchAsItSays() {
    var steps = Mix.of(1000).steps(new Random(1));
    int asked =
        steps.stream()
            .mapToInt(step ->
                switch (step) {
                  case Step.Transaction transaction -> transaction.rows().size();
                  case Step.Immediate _ -> 1;
                })
            .sum();
    assertThat(asked).isEqualTo(1000);
  }

  @Test
  void commitsNothingThatIsUndoneAndUndoesNothingElse() {
    assertThat(Mix.of(1000).steps(new Random(1)))
        .filteredOn(step -> step instanceof Step.Transaction transaction && !transaction.commits())
        .isNotEmpty()
        .allMatch(step -> ((Step.Transaction) step).rows().stream().allMatch(Step.Row::undone));
  }

  @Test
  void isTheSameForTheSameSeed() {
    assertThat(Mix.of(300).steps(new Random(7))).isEqualTo(Mix.of(300).steps(new Random(7)));
  }
}

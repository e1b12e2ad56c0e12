package org.pgoffload.worker.llm;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayDeque;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.ToIntFunction;
import org.jspecify.annotations.Nullable;
import org.pgoffload.worker.delivery.scheduling.Places;
import org.pgoffload.worker.delivery.scheduling.Turn;
import org.pgoffload.worker.delivery.waiting.Largest;

/// The turns of models: one request of each after another, and those of one model in the order of
/// their arrival. A model that may begin nothing more stops no other.
final class ModelTurns implements Places<String> {
  private final int most;
  private final ToIntFunction<String> allowance;
  private final Map<String, Model> models = new HashMap<>();

  /// Those that have something waiting, the next one first.
  private final ArrayDeque<Model> order = new ArrayDeque<>();

  private long choice;

  /// @param most how many requests of one model may run at once
  /// @param allowance how many more of a model may begin, for other reasons
  ModelTurns(int most, ToIntFunction<String> allowance) {
    this.most = most;
    this.allowance = allowance;
  }

  private static final class Model {
    private final String name;
    private final TreeSet<Turn<String>> waiting =
        new TreeSet<>(Comparator.comparingLong(Turn::arrival));
    private int running;
    private boolean inOrder;
    private int allowed;
    private long allowedInChoice = -1;

    private Model(String name) {
      this.name = name;
    }
  }

  @Override
  public void choosing() {
    choice++;
  }

  @Override
  public void add(Turn<String> turn) {
    var model = models.computeIfAbsent(turn.place(), Model::new);
    model.waiting.add(turn);
    if (!model.inOrder) {
      model.inOrder = true;
      order.addLast(model);
    }
  }

  @Override
  public void remove(Turn<String> turn) {
    var model = models.get(turn.place());
    if (model != null) {
      model.waiting.remove(turn);
      forgetUnused(model);
    }
  }

  @Override
  public void take(Turn<String> turn) {
    var model = models.computeIfAbsent(turn.place(), Model::new);
    model.running++;
    model.allowed--;
  }

  @Override
  public void free(Turn<String> turn) {
    var model = models.get(turn.place());
    if (model != null) {
      model.running--;
      forgetUnused(model);
    }
  }

  @Override
  public @Nullable Turn<String> next() {
    for (int i = order.size(); i > 0; i--) {
      var model = order.removeFirst();
      if (model.waiting.isEmpty()) {
        model.inOrder = false;
        forgetUnused(model);
        continue;
      }
      order.addLast(model);
      if (allowed(model) > 0) {
        return model.waiting.first();
      }
    }
    return null;
  }

  /// Of each model for which something waits: how many do, how many run, and which is the next.
  @Override
  public void tell(ObjectNode queue) {
    var told = queue.putObject("places");
    for (var model : Largest.of(models.values(), each -> each.waiting.size())) {
      told.putArray(model.name)
          .add(model.waiting.size())
          .add(model.running)
          .add(model.waiting.first().id());
    }
  }

  private int allowed(Model model) {
    if (model.allowedInChoice != choice) {
      model.allowedInChoice = choice;
      model.allowed = allowance.applyAsInt(model.name);
    }
    return Math.min(model.allowed, most - model.running);
  }

  private void forgetUnused(Model model) {
    if (model.running == 0 && model.waiting.isEmpty() && !model.inOrder) {
      models.remove(model.name);
    }
  }
}

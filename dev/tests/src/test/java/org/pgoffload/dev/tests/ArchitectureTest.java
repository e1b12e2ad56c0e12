package org.pgoffload.dev.tests;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.belongToAnyOf;
import static com.tngtech.archunit.core.importer.ImportOption.DoNotIncludeTests;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaCodeUnit;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.pgoffload.platform.DatabaseAddress;
import org.pgoffload.protocol.Call;
import org.pgoffload.protocol.LlmPiece;
import org.pgoffload.protocol.Result;
import org.pgoffload.protocol.SqlResult;
import org.pgoffload.protocol.SqlRows;

/// The house as docs/architecture.md draws it.
class ArchitectureTest {
  private static JavaClasses classes;

  @BeforeAll
  static void read() {
    classes =
        new ClassFileImporter()
            .withImportOption(new DoNotIncludeTests())
            .importPackages("org.pgoffload");
  }

  @Test
  void thePartsKnowEachOtherThroughTheProtocolAlone() {
    layeredArchitecture()
        .consideringOnlyDependenciesInLayers()
        .layer("protocol")
        .definedBy("org.pgoffload.protocol..")
        .layer("telemetry")
        .definedBy("org.pgoffload.telemetry..")
        .layer("platform")
        .definedBy("org.pgoffload.platform..")
        .layer("schema")
        .definedBy("org.pgoffload.schema..")
        .layer("connectors")
        .definedBy("org.pgoffload.connectors..")
        .layer("operations")
        .definedBy("org.pgoffload.operations..")
        .layer("producer")
        .definedBy("org.pgoffload.producer..")
        .layer("worker")
        .definedBy("org.pgoffload.worker..")
        .layer("results")
        .definedBy("org.pgoffload.results..")
        .layer("console")
        .definedBy("org.pgoffload.console..")
        .layer("launcher")
        .definedBy("org.pgoffload.launcher..")
        .layer("dev")
        .definedBy("org.pgoffload.dev..")
        .whereLayer("dev")
        .mayNotBeAccessedByAnyLayer()
        .whereLayer("launcher")
        .mayOnlyBeAccessedByLayers("dev")
        .whereLayer("producer")
        .mayOnlyBeAccessedByLayers("launcher", "dev")
        .whereLayer("worker")
        .mayOnlyBeAccessedByLayers("launcher", "dev")
        .whereLayer("results")
        .mayOnlyBeAccessedByLayers("launcher", "dev")
        .whereLayer("console")
        .mayOnlyBeAccessedByLayers("launcher", "dev")
        .whereLayer("operations")
        .mayOnlyBeAccessedByLayers("console", "launcher", "dev")
        .whereLayer("schema")
        .mayOnlyBeAccessedByLayers("operations", "launcher", "dev")
        .whereLayer("connectors")
        .mayOnlyBeAccessedByLayers("producer", "launcher", "dev")
        .whereLayer("protocol")
        .mayNotAccessAnyLayer()
        .whereLayer("telemetry")
        .mayOnlyAccessLayers("protocol")
        .whereLayer("platform")
        .mayOnlyAccessLayers("protocol", "telemetry")
        .whereLayer("connectors")
        .mayOnlyAccessLayers("protocol")
        .check(classes);
  }

  @Test
  void sessionsOfPartsAndCommandsHaveTheirPinnedSettings() {
    noClasses()
        .that()
        .resideInAnyPackage(
            "org.pgoffload.platform..",
            "org.pgoffload.schema..",
            "org.pgoffload.operations..",
            "org.pgoffload.producer..",
            "org.pgoffload.worker..",
            "org.pgoffload.results..",
            "org.pgoffload.console..",
            "org.pgoffload.launcher..")
        .and()
        .doNotBelongToAnyOf(DatabaseAddress.class)
        .should()
        .callMethod(DatabaseAddress.class, "connect", String.class)
        .check(classes);
  }

  @Test
  void theRoomsOfTheWorkerKnowEachOtherDownwardsAlone() {
    layeredArchitecture()
        .consideringOnlyDependenciesInLayers()
        .layer("app")
        .definedBy("org.pgoffload.worker")
        .layer("delivery")
        .definedBy("org.pgoffload.worker.delivery..")
        .layer("models")
        .definedBy("org.pgoffload.worker.models..")
        .layer("http")
        .definedBy("org.pgoffload.worker.vendors.http..")
        .layer("vendors")
        .definedBy(
            "org.pgoffload.worker.vendors",
            "org.pgoffload.worker.vendors.call..",
            "org.pgoffload.worker.vendors.entra..",
            "org.pgoffload.worker.vendors.rerank..")
        .layer("llm")
        .definedBy("org.pgoffload.worker.llm..")
        .layer("sql")
        .definedBy("org.pgoffload.worker.sql..")
        .whereLayer("app")
        .mayOnlyAccessLayers("delivery", "models", "llm", "sql")
        .whereLayer("delivery")
        .mayNotAccessAnyLayer()
        .whereLayer("models")
        .mayNotAccessAnyLayer()
        .whereLayer("http")
        .mayOnlyAccessLayers("models")
        .whereLayer("vendors")
        .mayOnlyAccessLayers("models", "http")
        .whereLayer("llm")
        .mayOnlyAccessLayers("delivery", "models")
        .whereLayer("sql")
        .mayOnlyAccessLayers("delivery")
        .check(classes);
  }

  @Test
  void deliveryKnowsNeitherModelsNorSql() {
    noClasses()
        .that()
        .resideInAPackage("org.pgoffload.worker.delivery..")
        .should()
        .dependOnClassesThat(
            belongToAnyOf(Result.class, SqlResult.class, SqlRows.class, LlmPiece.class, Call.class))
        .check(classes);
  }

  @Test
  void thePackagesHaveNoCircles() {
    slices().matching("org.pgoffload.(**)").should().beFreeOfCycles().check(classes);
  }

  @Test
  void theRoomsOfDevKnowEachOtherDownwardsAlone() {
    layeredArchitecture()
        .consideringOnlyDependenciesInLayers()
        .layer("servers")
        .definedBy("org.pgoffload.dev.servers..")
        .layer("testkit")
        .definedBy("org.pgoffload.dev.testkit..")
        .layer("benchmarks")
        .definedBy("org.pgoffload.dev.benchmarks..")
        .layer("faults")
        .definedBy("org.pgoffload.dev.faults..")
        .layer("launcher")
        .definedBy("org.pgoffload.dev.launcher..")
        .layer("installed")
        .definedBy(
            "org.pgoffload.protocol..",
            "org.pgoffload.telemetry..",
            "org.pgoffload.platform..",
            "org.pgoffload.schema..",
            "org.pgoffload.connectors..",
            "org.pgoffload.operations..",
            "org.pgoffload.producer..",
            "org.pgoffload.worker..",
            "org.pgoffload.results..",
            "org.pgoffload.console..",
            "org.pgoffload.launcher..")
        .whereLayer("servers")
        .mayNotAccessAnyLayer()
        .whereLayer("testkit")
        .mayNotAccessAnyLayer()
        .whereLayer("benchmarks")
        .mayOnlyAccessLayers("installed")
        .whereLayer("faults")
        .mayOnlyAccessLayers("servers", "installed")
        .whereLayer("launcher")
        .mayOnlyAccessLayers("servers", "benchmarks", "faults", "installed")
        .check(classes);
  }

  @Test
  void nobodyPrintsToTheConsoleButTheCommand() {
    noClasses()
        .that()
        .resideOutsideOfPackages("org.pgoffload.launcher..", "org.pgoffload.dev..")
        .should()
        .accessField(System.class, "out")
        .orShould()
        .accessField(System.class, "err")
        .check(classes);
  }

  @Test
  void aRecordHasAtMostEightComponents() {
    assertThat(classes)
        .filteredOn(JavaClass::isRecord)
        .isNotEmpty()
        .filteredOn(record -> components(record) > 8)
        .isEmpty();
  }

  @Test
  void aCallHasAtMostSixParameters() {
    assertThat(classes)
        .flatMap(JavaClass::getCodeUnits)
        .isNotEmpty()
        .filteredOn(call -> call.getRawParameterTypes().size() > 6)
        .filteredOn(call -> !isWrittenByTheCompiler(call))
        .isEmpty();
  }

  private static long components(JavaClass record) {
    return record.getFields().stream()
        .filter(field -> !field.getModifiers().contains(JavaModifier.STATIC))
        .count();
  }

  /// A lambda and an anonymous class are called with what they use from around them, an enum with a
  /// name and a number too, and the canonical constructor of a record with all its components.
  private static boolean isWrittenByTheCompiler(JavaCodeUnit call) {
    var owner = call.getOwner();
    return call.getModifiers().contains(JavaModifier.SYNTHETIC)
        || owner.isAnonymousClass()
        || (call.isConstructor()
            && (owner.isEnum()
                || (owner.isRecord() && call.getRawParameterTypes().size() == components(owner))));
  }
}

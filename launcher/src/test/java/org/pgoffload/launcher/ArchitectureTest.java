package org.pgoffload.launcher;

import static com.tngtech.archunit.core.importer.ImportOption.DoNotIncludeTests;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.pgoffload.schema.DatabaseAddress;

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
        .layer("embedded")
        .definedBy("org.pgoffload.embedded..")
        .layer("schema")
        .definedBy("org.pgoffload.schema..")
        .layer("connectors")
        .definedBy("org.pgoffload.connectors..")
        .layer("producer")
        .definedBy("org.pgoffload.producer..")
        .layer("worker")
        .definedBy("org.pgoffload.worker..")
        .layer("results")
        .definedBy("org.pgoffload.results..")
        .layer("faults")
        .definedBy("org.pgoffload.faults..")
        .layer("launcher")
        .definedBy("org.pgoffload.launcher..")
        .whereLayer("launcher")
        .mayNotBeAccessedByAnyLayer()
        .whereLayer("producer")
        .mayOnlyBeAccessedByLayers("launcher")
        .whereLayer("worker")
        .mayOnlyBeAccessedByLayers("launcher")
        .whereLayer("results")
        .mayOnlyBeAccessedByLayers("launcher")
        .whereLayer("faults")
        .mayOnlyBeAccessedByLayers("launcher")
        .whereLayer("embedded")
        .mayOnlyBeAccessedByLayers("faults", "launcher")
        .whereLayer("connectors")
        .mayOnlyBeAccessedByLayers("producer", "launcher")
        .whereLayer("protocol")
        .mayNotAccessAnyLayer()
        .whereLayer("telemetry")
        .mayOnlyAccessLayers("protocol")
        .whereLayer("embedded")
        .mayNotAccessAnyLayer()
        .check(classes);
  }

  @Test
  void sessionsOfPartsAndCommandsHaveTheirPinnedSettings() {
    noClasses()
        .that()
        .resideInAnyPackage(
            "org.pgoffload.schema..",
            "org.pgoffload.producer..",
            "org.pgoffload.worker..",
            "org.pgoffload.results..",
            "org.pgoffload.launcher..")
        // what plays an application has an application's session
        .and()
        .doNotBelongToAnyOf(DatabaseAddress.class, Story.class)
        .should()
        .callMethod(DatabaseAddress.class, "connect", String.class)
        .check(classes);
  }

  @Test
  void theModelVendorsAreAskedWithoutKnowingTheRestOfTheWorker() {
    noClasses()
        .that()
        .resideInAPackage("org.pgoffload.worker.llm..")
        .should()
        .dependOnClassesThat()
        .resideInAPackage("org.pgoffload.worker")
        .check(classes);
  }

  @Test
  void tasksAreRunWithoutKnowingTheRestOfTheWorker() {
    noClasses()
        .that()
        .resideInAPackage("org.pgoffload.worker.sql..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("org.pgoffload.worker", "org.pgoffload.worker.llm..")
        .check(classes);
  }

  @Test
  void nobodyPrintsToTheConsoleButTheCommand() {
    noClasses()
        .that()
        .resideOutsideOfPackages("org.pgoffload.launcher..", "org.pgoffload.embedded..")
        .should()
        .accessField(System.class, "out")
        .orShould()
        .accessField(System.class, "err")
        .check(classes);
  }
}

package org.pgoffload.worker.models;

/// How much a document helps to answer a query.
///
/// @param index its place among the documents, from 0
/// @param score finite, the higher the better; by most models from 0 to 1
public record RankedDocument(int index, double score) {

  public RankedDocument {
    if (index < 0) {
      throw new IllegalArgumentException("a document has a place from 0 on");
    }
    if (!Double.isFinite(score)) {
      throw new IllegalArgumentException("a score must be finite");
    }
  }
}

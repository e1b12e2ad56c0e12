package org.pgoffload.results;

import java.util.Map;
import org.apache.kafka.streams.state.RocksDBConfigSetter;
import org.jspecify.annotations.Nullable;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.Cache;
import org.rocksdb.LRUCache;
import org.rocksdb.Options;

/// Bounds the memory beside the heap. By Kafka Streams' defaults each store takes up to 98 MB, and
/// the usage has one for the totals, and for the results of each partition one for each four and a
/// half days: 19 in all with six partitions. Here it is 6 MB each.
public final class BoundRocksDbMemory implements RocksDBConfigSetter {
  /// What is not written to a file yet: tens of thousands of results.
  private static final long WRITE_BUFFER_BYTES = 2L << 20;

  private static final int WRITE_BUFFERS = 2;

  /// Few results are looked up again, and the totals of these minutes are in Kafka Streams' cache.
  private static final long BLOCK_CACHE_BYTES = 2L << 20;

  private @Nullable Cache blockCache;

  /// Made by Kafka Streams, one for each store.
  public BoundRocksDbMemory() {}

  @Override
  public void setConfig(String storeName, Options options, Map<String, Object> configuration) {
    options.setWriteBufferSize(WRITE_BUFFER_BYTES);
    options.setMaxWriteBufferNumber(WRITE_BUFFERS);
    blockCache = new LRUCache(BLOCK_CACHE_BYTES);
    var table = (BlockBasedTableConfig) options.tableFormatConfig();
    options.setTableFormatConfig(table.setBlockCache(blockCache));
  }

  @Override
  public void close(String storeName, Options options) {
    if (blockCache != null) {
      blockCache.close();
    }
  }
}

import LoopIR

/// One buffer's time in the arena: from the kernel that writes it first to the last that reads it.
struct Lifetime {
  var key: StorageKey
  var bytes: Int
  var first: Int
  var last: Int

  /// What lives when a loop begins or ends, or is used in it, lives as long as the loop: the next round needs it.
  mutating func extend(over kernels: Range<Int>) {
    guard first < kernels.upperBound, last >= kernels.lowerBound else { return }
    first = min(first, kernels.lowerBound)
    last = max(last, kernels.upperBound - 1)
  }
}

/// Byte offsets in one arena such that buffers alive at the same time do not overlap.
struct MemoryPlan {
  /// Offsets are multiples of this, so that no two buffers share a cache line.
  static let alignment = 64
  private(set) var offsets: [StorageKey: Int] = [:]
  private(set) var bytes = 0

  /// Greedy by size: the largest buffer first, each at the lowest offset that is free for all of its lifetime.
  /// (Pisarchyk and Lee, Efficient memory management for deep neural net inference, 2020.)
  init(_ lifetimes: [Lifetime]) {
    var placed: [(lifetime: Lifetime, offset: Int)] = []
    let order = lifetimes.enumerated().sorted { a, b in
      a.element.bytes != b.element.bytes ? a.element.bytes > b.element.bytes : a.offset < b.offset
    }
    for (_, lifetime) in order {
      let rivals = placed.filter { $0.lifetime.first <= lifetime.last && lifetime.first <= $0.lifetime.last }.sorted {
        $0.offset < $1.offset
      }
      var offset = 0
      for rival in rivals where rival.offset < offset + lifetime.bytes {
        offset = max(offset, (rival.offset + rival.lifetime.bytes + Self.alignment - 1) / Self.alignment * Self.alignment)
      }
      placed.append((lifetime, offset))
      offsets[lifetime.key] = offset
      bytes = max(bytes, (offset + lifetime.bytes + Self.alignment - 1) / Self.alignment * Self.alignment)
    }
  }
}

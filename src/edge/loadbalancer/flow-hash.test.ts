import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bucketOf } from './flow-hash.ts';

const flow = { source: '127.0.0.1', destination: '127.0.0.1', sourcePort: 23_456 };

test('a flow has the bucket that the kernel’s jhash gives it', () => {
  // As `jhash ip saddr . ip daddr . th sport . th dport mod 256` marked packets to these ports on Linux 6.18.
  const marked = new Map<number, number>([
    [1032, 21],
    [1039, 30],
    [1004, 44],
    [1037, 50],
    [1024, 54],
    [1025, 57],
    [1031, 66],
    [1013, 69],
  ]);
  for (const [destinationPort, bucket] of marked) assert.equal(bucketOf({ ...flow, destinationPort }, 'flow'), bucket);
});

test('by the client alone, all its connections have one bucket', () => {
  const buckets = [80, 81, 82].map((destinationPort) => bucketOf({ ...flow, destinationPort }, 'client'));
  assert.equal(new Set(buckets).size, 1);
});

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { formatPlan } from './plan.ts';
import { PolicyLab } from './testing/policy-lab.ts';
import { Random, randomPacket, randomPolicy } from './testing/random.ts';
import { formatVerdict, verdict } from './verdict.ts';

const ROUNDS = 25;
const PACKETS = 16;
/** A packet that the verdict drops has this long to prove it wrong; one that it admits as long as it needs. */
const DROPPED_MS = 200;

describe('the kernel and the verdict', { timeout: 300_000 }, () => {
  let lab: PolicyLab;

  before(async () => {
    lab = await PolicyLab.start();
  });
  after(() => lab?.stop());

  test(`agree on ${ROUNDS * PACKETS} packets under random policies`, async (t) => {
    const seed = Date.now() % 1_000_000;
    t.diagnostic(`seed ${seed}`);
    const random = new Random(seed);
    let allowed = 0;
    for (let round = 0; round < ROUNDS; round++) {
      await lab.set(...Array.from({ length: 1 + random.int(3) }, (_, index) => randomPolicy(random, `p${index}`)));
      await lab.cut(); // else a datagram from a port that an earlier round used goes on with that round's flow
      const packets = Array.from({ length: PACKETS }, () => randomPacket(random));
      await Promise.all(
        packets.map(async (packet) => {
          const expected = verdict(lab.plan, packet);
          const { from, protocol, source, destination, port = 0 } = packet;
          const peer = lab.lab[from];
          const answer = await peer[protocol === 'udp' ? 'udp' : 'tcp'](
            destination,
            port,
            expected.allowed ? undefined : DROPPED_MS,
          );
          if (expected.allowed) allowed++;
          const seen = answer.answer !== undefined;
          const words = `${protocol} ${source} → ${destination}:${port}: kernel says ${JSON.stringify(answer)}`;
          assert.equal(seen, expected.allowed, `${words}, ${formatVerdict(expected)}\n${formatPlan(lab.plan)}`);
        }),
      );
    }
    assert.ok(allowed > PACKETS && allowed < (ROUNDS - 1) * PACKETS, `${allowed} allowed: both kinds must occur`);
    assert.equal(await lab.audit(), undefined, 'the kernel holds what was planned');
  });
});

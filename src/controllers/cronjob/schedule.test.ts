import assert from 'node:assert/strict';
import { test } from 'node:test';
import { missedTimes, parseSchedule } from './schedule.ts';

const runs = (schedule: string, zone: string, from: string, count: number): string[] => {
  const parsed = parseSchedule(schedule, zone);
  let time: Date | undefined = new Date(from);
  return Array.from({ length: count }, () => {
    time = time && parsed.next(time);
    return time?.toISOString().replace(':00.000Z', '') ?? 'never';
  });
};

const cases: readonly [what: string, schedule: string, zone: string, from: string, expected: string[]][] = [
  ['every minute', '* * * * *', 'UTC', '2026-01-01T00:00:30Z', ['2026-01-01T00:01', '2026-01-01T00:02']],
  ['steps from a number on', '7/25 3 * * *', 'UTC', '2026-01-01T00:00:00Z', ['2026-01-01T03:07', '2026-01-01T03:32']],
  ['a question mark for any', '0 12 ? * mon', 'UTC', '2026-01-01T00:00:00Z', ['2026-01-05T12:00']],
  ['day of month or of week', '0 0 13 * 5', 'UTC', '2026-02-08T00:00:00Z', ['2026-02-13T00:00', '2026-02-20T00:00']],
  ['a nickname', '@monthly', 'UTC', '2026-01-01T00:00:00Z', ['2026-02-01T00:00']],
  ['a period', '@every 1h30m', 'UTC', '2026-01-01T00:00:00Z', ['2026-01-01T01:30', '2026-01-01T03:00']],
  ['another clock', '0 9 * * *', 'Asia/Tokyo', '2026-01-01T00:30:00Z', ['2026-01-02T00:00']],
  [
    'a day without that hour',
    '0 9 * * *',
    'Europe/Berlin',
    '2026-03-28T00:00:00Z',
    ['2026-03-28T08:00', '2026-03-29T07:00'],
  ],
  ['a day that never comes', '0 0 30 2 *', 'UTC', '2026-01-01T00:00:00Z', ['never']],
];

for (const [what, schedule, zone, from, expected] of cases) {
  test(`${what}: ${schedule}`, () => assert.deepEqual(runs(schedule, zone, from, expected.length), expected));
}

test('the last of many missed times is found without going through all', () => {
  const now = new Date('2026-01-01T00:00:30Z');
  const { last, tooMany } = missedTimes(parseSchedule('*/5 * * * *', 'UTC'), new Date('2016-01-01T00:00:00Z'), now);
  assert.deepEqual([last?.toISOString(), tooMany], ['2026-01-01T00:00:00.000Z', true]);
});

test('what is no schedule or no time zone is refused', () => {
  assert.throws(() => parseSchedule('61 * * * *', 'UTC'));
  assert.throws(() => parseSchedule('* * * * *', 'Mars/Olympus').next(new Date()));
});

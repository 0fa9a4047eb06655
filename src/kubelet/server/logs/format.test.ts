import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LogFilter, LogFormatter } from './format.ts';

const all: LogFilter = { timestamps: false, stream: 'all' };
const file = Buffer.from(`2026-01-01T00:00:01.000000001Z stdout F one
2026-01-01T00:00:02.000000001Z stderr F two with spaces
2026-01-01T00:00:03Z stdout P thr
2026-01-01T00:00:04Z stdout F ee
damaged
2026-01-01T02:00:05+02:00 stdout F 
`);

const format = (filter: Partial<LogFilter>) => new LogFormatter({ ...all, ...filter }).push(file).toString();

test('the output is what the container wrote, partial lines joined, damaged ones left out', () => {
  assert.equal(format({}), 'one\ntwo with spaces\nthree\n\n');
});

test('an entry that comes in two chunks is one', () => {
  for (let at = 0; at <= file.length; at += 1) {
    const formatter = new LogFormatter(all);
    const output = [file.subarray(0, at), file.subarray(at)].map((chunk) => formatter.push(chunk).toString());
    assert.equal(output.join(''), 'one\ntwo with spaces\nthree\n\n', `cut at ${at}`);
  }
});

test('a line has the time of its first part', () => {
  assert.equal(
    format({ timestamps: true, stream: 'stdout' }),
    '2026-01-01T00:00:01.000000001Z one\n2026-01-01T00:00:03Z three\n2026-01-01T02:00:05+02:00 \n',
  );
});

test('one stream alone', () => {
  assert.equal(format({ stream: 'stderr' }), 'two with spaces\n');
});

test('what is older than the given time is left out', () => {
  assert.equal(format({ since: Date.parse('2026-01-01T00:00:02Z') }), 'two with spaces\nthree\n\n');
});

test('the output ends at its limit, in the middle of a line', () => {
  const formatter = new LogFormatter({ ...all, limitBytes: 6 });
  assert.equal(formatter.push(file).toString(), 'one\ntw');
  assert.equal(formatter.done, true);
});

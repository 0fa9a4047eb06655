import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { knownNameKey } from './names.ts';
import { defaultSettings, parseSettings } from './settings.ts';

describe('the config map kube-dns', () => {
  it('may be empty', () => {
    assert.deepEqual(parseSettings({}), defaultSettings);
    assert.deepEqual(parseSettings({ data: {} }), defaultSettings);
  });

  it('names upstreams, stub domains with servers of their own, and autopath', () => {
    const data = {
      upstreamNameservers: '["8.8.8.8", "[fd00::1]:5353"]',
      stubDomains: '{"Corp.Example.": ["10.0.0.53", "10.0.0.54:5353"], "lab": ["fd00::53"]}',
      autopath: 'true',
    };
    assert.deepEqual(parseSettings({ data }), {
      upstreams: [
        { address: '8.8.8.8', port: 53 },
        { address: 'fd00::1', port: 5353 },
      ],
      stubs: new Map([
        [
          knownNameKey('corp.example'),
          [
            { address: '10.0.0.53', port: 53 },
            { address: '10.0.0.54', port: 5353 },
          ],
        ],
        [knownNameKey('lab'), [{ address: 'fd00::53', port: 53 }]],
      ]),
      autopath: true,
    });
  });

  for (const [data, message] of [
    [{ upstreamNameservers: '8.8.8.8' }, /upstreamNameservers: no JSON/],
    [{ upstreamNameservers: '"8.8.8.8"' }, /upstreamNameservers: must be a list/],
    [{ upstreamNameservers: '[]' }, /upstreamNameservers: must be a list/],
    [{ upstreamNameservers: '["dns.google"]' }, /"dns.google" is not an address/],
    [{ upstreamNameservers: '[53]' }, /53 is not an address/],
    [{ stubDomains: '["a"]' }, /stubDomains: must be an object/],
    [{ stubDomains: '{"a..b": ["10.0.0.1"]}' }, /"a..b" is no domain/],
    [{ stubDomains: '{".": ["10.0.0.1"]}' }, /"." is no domain/],
    [{ stubDomains: '{"a": "10.0.0.1"}' }, /stubDomains a: must be a list/],
    [{ autopath: 'yes' }, /autopath: "yes" must be "true" or "false"/],
    [{ stubDomain: '{}' }, /stubDomain: unknown; there are: stubDomains/],
  ] as const)
    it(`is refused where it is wrong: ${JSON.stringify(data)}`, () => {
      assert.throws(() => parseSettings({ data: { ...data } }), { code: 'SETTINGS_INVALID', message });
    });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ndotsOf, searchNames } from './search-list.ts';

const pod = {
  searches: ['default.svc.cluster.local', 'svc.cluster.local', 'cluster.local'],
  options: ['ndots:5'],
};

test('searchNames goes through the search list before a name of few dots', () => {
  assert.deepEqual(searchNames('web', pod), [
    'web.default.svc.cluster.local',
    'web.svc.cluster.local',
    'web.cluster.local',
    'web',
  ]);
});

test('searchNames tries a name of many dots as it stands first', () => {
  const name = 'a.b.c.d.e.example';
  assert.deepEqual(searchNames(name, pod).slice(0, 2), [name, `${name}.default.svc.cluster.local`]);
});

test('searchNames takes a final dot at its word', () => {
  assert.deepEqual(searchNames('web.', pod), ['web']);
});

test('searchNames tries a name once where the root is searched', () => {
  assert.deepEqual(searchNames('web', { searches: ['.'], options: [] }), ['web']);
});

test('ndotsOf reads the last option, within the limits of resolv.conf(5)', () => {
  assert.equal(ndotsOf({ options: [] }), 1);
  assert.equal(ndotsOf({ options: ['ndots:5', 'ndots:2'] }), 2);
  assert.equal(ndotsOf({ options: ['ndots:99'] }), 15);
  assert.equal(ndotsOf({ options: ['ndots:x'] }), 1);
});

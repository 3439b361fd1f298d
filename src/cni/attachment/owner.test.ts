import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeOwner, isGarbage, ownerOf } from './owner.ts';

test('ownerOf fits a comment, and stays unique', () => {
  assert.equal(ownerOf({ network: 'net', containerId: 'c1', ifName: 'eth0' }), 'net c1 eth0');
  const long = (end: string): string =>
    ownerOf({ network: 'n'.repeat(255), containerId: `${'c'.repeat(254)}${end}`, ifName: 'fifteen-letters' });
  assert.ok(Buffer.byteLength(long('a')) <= 127);
  assert.notEqual(long('a'), long('b'));
});

test('isGarbage is what the network has beside its valid attachments', () => {
  const is = isGarbage('net', [{ containerId: 'kept', ifName: 'eth0' }]);
  assert.deepEqual(['net kept eth0', 'net kept eth1', 'net gone eth0', 'net2 gone eth0', 'net'].map(is), [
    false,
    true,
    true,
    false,
    false,
  ]);
});

test('describeOwner is for people', () => {
  assert.equal(describeOwner('net c1 eth0'), 'container c1 (interface eth0, network net)');
  assert.equal(describeOwner(undefined), 'somebody else');
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { whatIsIdle } from './idle-kinds.ts';

test('whatIsIdle tells what an object is kept for only', () => {
  assert.match(whatIsIdle({ kind: 'NetworkPolicy' }) ?? '', /nothing acts on it yet/);
  assert.match(whatIsIdle({ kind: 'Service', spec: { type: 'NodePort' } } as object) ?? '', /node ports/);
  assert.equal(whatIsIdle({ kind: 'Service', spec: {} } as object), undefined);
  assert.equal(whatIsIdle({ kind: 'Deployment' }), undefined);
});

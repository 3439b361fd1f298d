import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isNodeReady, isPodReady } from './conditions.ts';

test('isPodReady and isNodeReady want the condition Ready with status True', () => {
  const ready = (status: string) => ({ status: { conditions: [{ type: 'Ready', status }] } });
  assert.equal(isPodReady(ready('True')), true);
  assert.equal(isNodeReady(ready('True')), true);
  for (const status of ['False', 'Unknown', '']) assert.equal(isNodeReady(ready(status)), false);
  assert.equal(isPodReady({ status: { conditions: [{ type: 'Initialized', status: 'True' }] } }), false);
  assert.equal(isNodeReady({}), false);
  assert.equal(isPodReady({ status: {} }), false);
});

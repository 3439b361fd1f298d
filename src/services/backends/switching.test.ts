import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PlanChange, ServicePlan } from '../plan.ts';
import { UNKNOWN_NODE } from '../plan.ts';
import type { ServiceBackend } from './backend.ts';
import { type BackendName, createSwitchingBackend } from './switching.ts';

const plan: ServicePlan = { node: UNKNOWN_NODE, ports: new Map(), ignored: new Map(), health: new Map() };
const change: PlanChange = { set: [], removed: [], before: new Map(), services: new Set() };

/** Backends that write down what they are told. */
function start(options: { readonly fails?: BackendName; readonly retires?: readonly boolean[] } = {}) {
  const told: string[] = [];
  const retirements = [...(options.retires ?? [])];
  const create = (name: BackendName): ServiceBackend => ({
    sync() {
      told.push(`${name} sync`);
      if (name === options.fails) throw new Error('no such table');
    },
    apply: () => void told.push(`${name} apply`),
    isIntact: () => true,
    cleanup: () => void told.push(`${name} cleanup`),
    ...(options.retires && {
      retire() {
        told.push(`${name} retire`);
        return retirements.shift() ?? true;
      },
    }),
  });
  const backend = createSwitchingBackend({ first: 'nftables', create, retireIntervalMs: 1 });
  backend.sync(plan);
  told.length = 0;
  return { backend, told };
}

test('the first sync() cleans up after the others, the next does not', () => {
  const told: string[] = [];
  const create = (name: BackendName): ServiceBackend => ({
    sync: () => void told.push(`${name} sync`),
    apply: () => undefined,
    isIntact: () => true,
    cleanup: () => void told.push(`${name} cleanup`),
  });
  const backend = createSwitchingBackend({ first: 'nftables', create });
  backend.sync(plan);
  backend.sync(plan);
  assert.deepEqual(told, ['nftables sync', 'iptables cleanup', 'ipvs cleanup', 'nftables sync']);
});

test('switchTo() brings up the new one before it removes the old one, and changes go to the new one', () => {
  const { backend, told } = start();
  backend.switchTo('iptables');
  backend.switchTo('iptables');
  backend.apply(change);
  assert.deepEqual(told, ['iptables sync', 'nftables cleanup', 'iptables apply']);
  assert.equal(backend.name, 'iptables');
});

test('switchTo() to one that fails leaves everything as it was', () => {
  const { backend, told } = start({ fails: 'iptables' });
  assert.throws(() => backend.switchTo('iptables'), /no such table/u);
  backend.apply(change);
  assert.deepEqual(told, ['iptables sync', 'iptables cleanup', 'nftables apply']);
  assert.equal(backend.name, 'nftables');
});

test('one that must stay for its connections is asked until it has gone', async () => {
  const { backend, told } = start({ retires: [false, false, true] });
  backend.switchTo('ipvs');
  const deadline = Date.now() + 5000;
  while (told.length < 4 && Date.now() < deadline) await new Promise((done) => setTimeout(done, 1));
  assert.deepEqual(told, ['ipvs sync', 'nftables retire', 'nftables retire', 'nftables retire']);
});

test('switching back to one that is still leaving ends its leave', async () => {
  const { backend, told } = start({ retires: [false, true] });
  backend.switchTo('ipvs');
  backend.switchTo('nftables');
  await new Promise((done) => setTimeout(done, 20));
  assert.deepEqual(told, ['ipvs sync', 'nftables retire', 'nftables sync', 'ipvs retire']);
});

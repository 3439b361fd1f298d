import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFakeRtnl } from '../../../kernel/rtnl/fake-rtnl.ts';
import { createFakeTrafficControl } from '../../../kernel/traffic-control/fake-traffic-control.ts';
import { applyBandwidth, checkBandwidth, collectBandwidth } from './bandwidth.ts';
import { type BandwidthAttachment, bandwidthPlan, ifbName } from './plan.ts';

function attachment(bandwidth: BandwidthAttachment['bandwidth']): BandwidthAttachment {
  const identity = { network: 'net', containerId: 'web', ifName: 'eth0' };
  return { ...identity, hostInterface: 'veth0', mtuBytes: 1500, bandwidth };
}

test('bandwidthPlan counts in bytes, and lets wait what takes 25 ms', () => {
  assert.deepEqual(bandwidthPlan(attachment({ ingressRate: 8_000_000, ingressBurst: 160_000 })), {
    ingress: { kind: 'tbf', rateBytesPerSecond: 1_000_000, burstBytes: 20_000, limitBytes: 45_000 },
    egress: undefined,
    device: ifbName({ network: 'net', containerId: 'web' }),
  });
});

test('ifbName is 15 characters of a hash of network and container', () => {
  assert.match(ifbName({ network: 'net', containerId: 'web' }), /^bwp[0-9a-f]{12}$/);
  // sha512sum of "mynetdummy".
  assert.equal(ifbName({ network: 'mynet', containerId: 'dummy' }), 'bwp1b29d9511ed2');
});

test('applyBandwidth twice is once; the alias of the device says whose it is', () => {
  const rtnl = createFakeRtnl().open({});
  const tc = createFakeTrafficControl(rtnl);
  rtnl.addLink({ kind: 'veth', name: 'veth0', peer: { name: 'peer' } });
  const wanted = attachment({ egressRate: 1e6, egressBurst: 1e6, ingressRate: 2e6, ingressBurst: 1e6 });
  for (let time = 0; time < 2; time++) {
    const { device } = applyBandwidth(wanted, { rtnl, tc });
    checkBandwidth(wanted, { rtnl, tc });
    assert.equal(rtnl.link(device)?.alias, 'net web eth0');
    assert.equal(tc.qdiscs().length, 3);
  }
  const gone: string[] = [];
  const discard = (link: string): unknown => gone.push(link);
  collectBandwidth('net', [{ containerId: 'web', ifName: 'eth0' }], { rtnl, discard });
  collectBandwidth('other', [], { rtnl, discard });
  assert.deepEqual(gone, []);
  collectBandwidth('net', [], { rtnl, discard });
  assert.deepEqual(gone, [ifbName(wanted)]);
});

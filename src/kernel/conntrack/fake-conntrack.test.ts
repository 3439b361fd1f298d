import { testConntrack } from './conntrack-conformance.ts';
import { IP_PROTOCOL } from './conntrack-entry.ts';
import { createFakeConntrack, fakeEntry } from './fake-conntrack.ts';

testConntrack('createFakeConntrack', () => {
  const conntrack = createFakeConntrack();
  return Promise.resolve({
    conntrack,
    addresses: { 4: '192.0.2.1', 6: '2001:db8::1' },
    remember({ protocol, to, ...flow }) {
      conntrack.add(fakeEntry({ ...flow, protocol: IP_PROTOCOL[protocol] }, to));
      return Promise.resolve();
    },
    close: () => conntrack.close(),
  });
});

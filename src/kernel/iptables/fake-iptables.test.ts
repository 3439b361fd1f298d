import { createFakeIptables } from './fake-iptables.ts';
import { testIptables } from './iptables-conformance.ts';

testIptables('createFakeIptables', createFakeIptables);

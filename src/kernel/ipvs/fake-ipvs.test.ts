import { createFakeIpvs } from './fake-ipvs.ts';
import { testIpvs } from './ipvs-conformance.ts';

testIpvs('createFakeIpvs', createFakeIpvs);

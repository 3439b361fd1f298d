import { join } from 'node:path';

/** What `podnet up` brings when it is given nothing. */
export const exampleManifests = join(import.meta.dirname, '..', '..', 'examples', 'hello', 'app.yaml');

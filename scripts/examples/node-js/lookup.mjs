// Look digests up on a Tocsin node, then wait for a declaration and print it. Scopes: match and read.
//
// What it prints is its own node's word, apart from the hash of the declaration's header. A program that
// has to prove what it is told checks signatures and payloads too: protos/README.md, section 11.3.
//
//     $ node lookup.mjs scanner.pem DIGEST...
//     9f86d081884c  listed      ministry-a/halle: attack-footage, advice block
//     60303ae22b99  not listed
//     waiting for a declaration
//     DECLARED  Ministry A: Shooting, livestream, until 2026-11-26T03:10Z

import { X509Certificate, createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setInterval } from 'node:timers/promises';
import { createSecureContext } from 'node:tls';
import grpc from '@grpc/grpc-js';
import protoLoader from '@grpc/proto-loader';

const NAME = 'lookup-example'; // under which the node keeps how far we are
const DECLARATION = 82; // protos/README.md, section 4
const TIMEOUT_MS = 30_000;
const LOOK_AGAIN_MS = 50;
const PROTOS = fileURLToPath(new URL('../../../protos', import.meta.url));

// Reads may be said twice. grpc-js tries them again by itself, with growing pauses drawn at random.
const SERVICE_CONFIG = {
  loadBalancingConfig: [{ pick_first: {} }],
  methodConfig: [
    {
      name: ['LookUp', 'ListCrises', 'Acknowledge'].map((method) => ({ service: 'tocsin.v1.Tools', method })),
      waitForReady: true,
      retryPolicy: {
        maxAttempts: 5,
        initialBackoff: '0.2s',
        maxBackoff: '2s',
        backoffMultiplier: 2,
        retryableStatusCodes: ['UNAVAILABLE'],
      },
    },
  ],
};

/** What `tocsin tool issue` wrote: which federation and where the node is; key, leaf, and the node's issuer. */
function readBundle(path) {
  if (statSync(path).mode & 0o077) throw new Error(`${path} holds a key and others may read it: chmod 600 ${path}`);
  const text = readFileSync(path, 'utf8');
  const federationId = /^Federation: ([0-9a-f]{64})$/m.exec(text)?.[1];
  const address = /^Node: (\S+)$/m.exec(text)?.[1];
  if (!federationId || !address) throw new Error(`${path} does not say which federation and where: issue another one`);
  const blocks = text.match(/-----BEGIN [^-]+-----[^-]+-----END [^-]+-----\n/g) ?? [];
  if (blocks.length !== 3) throw new Error(`${path} is no tool's bundle: it has ${blocks.length} parts, not 3`);
  const [key, leaf, issuer] = blocks;
  const uri = /URI:spiffe:\/\/([0-9a-f]{64})\/tool\//.exec(new X509Certificate(leaf).subjectAltName ?? '');
  if (!uri) throw new Error(`${path}: its certificate is not a tool's`);
  return { address, federationId: Buffer.from(federationId, 'hex'), key, leaf, issuer, memberId: uri[1] };
}

/** A client of the member's own node: one pinned issuer, one name, TLS 1.3 and nothing else. */
function connect({ address, key, leaf, issuer, memberId }) {
  const options = { includeDirs: [PROTOS], keepCase: true, longs: Number, defaults: true, oneofs: true };
  const loaded = protoLoader.loadSync('node/v1/tools.proto', options);
  const { Tools } = grpc.loadPackageDefinition(loaded).tocsin.v1;
  const context = createSecureContext({ minVersion: 'TLSv1.3', ca: issuer, cert: leaf, key });
  return new Tools(address, grpc.credentials.createFromSecureContext(context), {
    // Node.js compares it with the certificate, in the place of the address that was dialled.
    'grpc.ssl_target_name_override': `${memberId.slice(0, 32)}.tocsin`,
    'grpc.service_config': JSON.stringify(SERVICE_CONFIG),
  });
}

/** The answer to one request. */
function ask(tools, method, request) {
  return new Promise((resolve, reject) => {
    const done = (error, answer) => (error ? reject(error) : resolve(answer));
    tools[method](request, { deadline: Date.now() + TIMEOUT_MS }, done);
  });
}

/** SHA-256 of PAE("header", header): protos/README.md, section 2. */
function headerHash(federationId, header) {
  const [type, length] = [Buffer.from('header'), Buffer.alloc(4)];
  length.writeUInt32BE(header.length);
  const parts = [Buffer.from('TOCSIN1'), Buffer.from([type.length]), type, federationId, length, header];
  return createHash('sha256').update(Buffer.concat(parts)).digest();
}

async function printMatches(tools, digests) {
  const { matches } = await ask(tools, 'LookUp', { kind: 'sha256', values: digests });
  digests.forEach((digest, index) => {
    const match = matches.find((one) => one.index === index);
    const said = match ? `listed      ${match.list}: ${match.labels.join(', ')}, advice ${match.advice}` : 'not listed';
    console.log(`${digest.toString('hex').slice(0, 12)}  ${said}`);
  });
}

/** The crisis that the entry declares. The node shows it a moment after it delivers the entry (section 11.2). */
async function declared(tools, entry) {
  for await (const _ of setInterval(LOOK_AGAIN_MS, null, { signal: AbortSignal.timeout(TIMEOUT_MS) })) {
    const { crises } = await ask(tools, 'ListCrises', { exercises: true });
    const found = crises.find((one) => entry.equals(one.entry));
    if (found) return found;
  }
}

async function printDeclaration(tools, federationId, delivery) {
  const found = await declared(tools, headerHash(federationId, delivery.entry.header));
  const until = new Date(found.ends_ms).toISOString().slice(0, 16);
  const word = found.exercise ? 'exercise' : 'DECLARED';
  console.log(`${word}  ${found.member_name}: ${found.crisis.title}, until ${until}Z`);
  await ask(tools, 'Acknowledge', { name: NAME, cursor: delivery.cursor });
}

async function main([path, ...digests]) {
  if (!digests.length) throw new Error('usage: node lookup.mjs BUNDLE DIGEST...');
  const bundle = readBundle(path);
  const tools = connect(bundle);
  const events = tools.Subscribe({ name: NAME, kinds: [DECLARATION], from_now: true });
  try {
    let lookedUp = false;
    // What is read is answered before the next is fetched: nothing piles up here.
    for await (const event of events) {
      if (event.caught_up && !lookedUp) {
        lookedUp = true;
        await printMatches(tools, digests.map((digest) => Buffer.from(digest, 'hex')));
        console.log('waiting for a declaration');
      }
      if (event.delivery) {
        await printDeclaration(tools, bundle.federationId, event.delivery);
        return;
      }
    }
  } finally {
    events.cancel();
    tools.close();
  }
}

main(process.argv.slice(2)).catch((error) => {
  console.error(`lookup: ${error.details || error.message}`);
  process.exitCode = 1;
});

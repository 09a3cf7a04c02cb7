// `millrace certs`: an authority for a cluster and certificates that it signs, each in a directory that --tls takes.

import { webcrypto } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { join, resolve } from "node:path";
import "reflect-metadata";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { MillraceError } from "../../core/errors.js";
import { TLS_FILES } from "../../rpc/access/tls.js";
import type { CertsFlags } from "../flags.js";
import { parseWhole } from "../numbers.js";

/** Stays with whoever runs the cluster: with it anybody makes certificates that the cluster trusts. */
const AUTHORITY_KEY = "ca.key";
const AUTHORITY_DAYS = 3650;
const MAX_DAYS = 3650;
const DAY_MS = 86_400_000;
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

interface Authority {
  readonly certificate: X509Certificate;
  readonly key: webcrypto.CryptoKey;
  /** PEM of the key where the authority is new. */
  readonly made: string | null;
}

export async function certs(flags: CertsFlags): Promise<void> {
  const out = resolve(flags.out);
  const hosts = hostsOf(flags.hosts);
  const days = parseWhole(flags.days, "--days", 1, MAX_DAYS);
  refuseToReplace(out);
  const authority = flags.ca === undefined ? await makeAuthority() : await readAuthority(resolve(flags.ca));
  const { certificate, key } = await sign(authority, hosts, days);
  mkdirSync(out, { recursive: true, mode: 0o700 });
  write(join(out, TLS_FILES.ca), authority.certificate.toString("pem"), 0o644);
  if (authority.made !== null) write(join(out, AUTHORITY_KEY), authority.made, 0o600);
  write(join(out, TLS_FILES.cert), certificate.toString("pem"), 0o644);
  write(join(out, TLS_FILES.key), await keyToPem(key), 0o600);
  process.stdout.write(
    [
      `made ${out}: ${authority.made === null ? "" : `an authority (${AUTHORITY_KEY} signs more certificates: keep it from the nodes) and `}a certificate for ${hosts.join(", ")}, valid until ${certificate.notAfter.toISOString().slice(0, 10)}`,
      `copy ${Object.values(TLS_FILES).join(", ")} to each node and give every process --tls <directory>, or set MILLRACE_TLS`,
      "",
    ].join("\n"),
  );
}

function hostsOf(text: string): string[] {
  const hosts = text.split(",").map((host) => host.trim());
  const bad = hosts.find((host) => isIP(host) === 0 && !/^(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(host));
  if (bad === undefined) return [...new Set(hosts)];
  throw new MillraceError(
    "INVALID_OPTION",
    `--hosts ${text}: expected host names and IP addresses separated by commas, but found "${bad}"`,
    { fields: { flag: "--hosts", value: text } },
  );
}

function refuseToReplace(out: string): void {
  const found = [...Object.values(TLS_FILES), AUTHORITY_KEY].find((name) => existsSync(join(out, name)));
  if (found === undefined) return;
  throw new MillraceError(
    "INVALID_OPTION",
    `--out ${out} has a ${found} already, and certificates that a cluster uses are not replaced; name another directory, with --ca ${out} for one more certificate of its authority`,
    { fields: { flag: "--out", path: out } },
  );
}

async function makeAuthority(): Promise<Authority> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: "CN=millrace cluster authority",
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + AUTHORITY_DAYS * DAY_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate, key: keys.privateKey, made: await keyToPem(keys.privateKey) };
}

async function readAuthority(directory: string): Promise<Authority> {
  const [certificatePath, keyPath] = [join(directory, TLS_FILES.ca), join(directory, AUTHORITY_KEY)];
  try {
    const der = PemConverter.decodeFirst(readFileSync(keyPath, "utf8"));
    const key = await webcrypto.subtle.importKey("pkcs8", der, ALGORITHM, true, ["sign"]);
    return { certificate: new X509Certificate(readFileSync(certificatePath, "utf8")), key, made: null };
  } catch (error) {
    throw new MillraceError(
      "INVALID_OPTION",
      `--ca ${directory}: expected the directory where \`millrace certs\` made an authority, with ${TLS_FILES.ca} and ${AUTHORITY_KEY}, but ${(error as Error).message}`,
      { fields: { flag: "--ca", path: directory }, cause: error },
    );
  }
}

async function sign(authority: Authority, hosts: readonly string[], days: number) {
  const { privateKey, publicKey } = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: "CN=millrace node",
    issuer: authority.certificate.subject,
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + days * DAY_MS),
    signingAlgorithm: ALGORITHM,
    publicKey,
    signingKey: authority.key,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      // Every process of a cluster is dialled and dials.
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
      new SubjectAlternativeNameExtension(
        hosts.map((host) => ({ type: isIP(host) === 0 ? ("dns" as const) : ("ip" as const), value: host })),
      ),
      await AuthorityKeyIdentifierExtension.create(authority.certificate.publicKey),
    ],
  });
  return { certificate, key: privateKey };
}

/** 16 bytes, positive. */
function serialNumber(): string {
  const bytes = webcrypto.getRandomValues(new Uint8Array(16));
  bytes[0] = ((bytes[0] as number) & 0x7f) | 0x40;
  return Buffer.from(bytes).toString("hex");
}

async function keyToPem(key: webcrypto.CryptoKey): Promise<string> {
  return PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY");
}

function write(path: string, text: string, mode: number): void {
  writeFileSync(path, text.endsWith("\n") ? text : `${text}\n`, { mode, flag: "wx" });
}

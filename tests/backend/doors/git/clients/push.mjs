// Pushes with isomorphic-git: bun push.mjs FOLDER REF USER TOKEN commits a file in a clone and pushes HEAD to REF;
// prints the commit.
import fs from "node:fs";
import git from "isomorphic-git";
import http from "isomorphic-git/http/node";

const [dir, remoteRef, username, password] = process.argv.slice(2);
fs.writeFileSync(`${dir}/pushed.txt`, "from JavaScript\n");
await git.add({ fs, dir, filepath: "pushed.txt" });
const author = { name: "Grace", email: "grace@example.org" };
const oid = await git.commit({ fs, dir, message: "Push from JavaScript", author });
const onAuth = () => ({ username, password });
const told = await git.push({ fs, http, dir, remote: "origin", remoteRef, onAuth });
if (!told.ok) throw new Error(JSON.stringify(told));
console.log(oid);

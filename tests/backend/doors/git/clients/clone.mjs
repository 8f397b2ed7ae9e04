// Clones with isomorphic-git: bun clone.mjs URL FOLDER [USER TOKEN]; prints the commits of HEAD, newest first.
import fs from "node:fs";
import git from "isomorphic-git";
import http from "isomorphic-git/http/node";

const [url, dir, username, password] = process.argv.slice(2);
const onAuth = () => (username ? { username, password } : { cancel: true });
await git.clone({ fs, http, dir, url, onAuth });
for (const commit of await git.log({ fs, dir })) console.log(commit.oid);

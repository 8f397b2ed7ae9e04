// What a page that was opened without loading needs: `micelio:go` with an address opens one for scripts outside
// React, and of tabs that are wider than the window the current one is brought into sight.
import { useEffect } from "react";
import { useLocation, useNavigate } from "react-router";

export function Go() {
  const navigate = useNavigate();
  const { pathname } = useLocation();
  useEffect(() => {
    const go = (event) => {
      event.preventDefault();
      navigate(event.detail);
    };
    addEventListener("micelio:go", go);
    return () => removeEventListener("micelio:go", go);
  }, [navigate]);
  useEffect(() => {
    const here = document.querySelector(".tabs [aria-current]");
    const tabs = here?.closest(".tabs");
    if (tabs) tabs.scrollLeft = here.offsetLeft - tabs.offsetLeft - (tabs.clientWidth - here.offsetWidth) / 2;
  }, [pathname]);
  return null;
}

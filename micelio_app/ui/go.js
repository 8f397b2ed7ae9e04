// Lets scripts outside React open a page without loading: `micelio:go` with the address.
import { useEffect } from "react";
import { useNavigate } from "react-router";

export function Go() {
  const navigate = useNavigate();
  useEffect(() => {
    const go = (event) => {
      event.preventDefault();
      navigate(event.detail);
    };
    addEventListener("micelio:go", go);
    return () => removeEventListener("micelio:go", go);
  }, [navigate]);
  return null;
}

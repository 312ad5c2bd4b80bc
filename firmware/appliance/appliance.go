// Package appliance joins the parts into a box: one visible list, one Run, one order of stopping.
package appliance
